package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestMailConfiguration(t *testing.T) {
	const secret = "hunter2"
	for _, tt := range []struct{ url, from string }{
		{"http://relay.example", "mail@medtour.example"}, {"smtp://u:" + secret + "@relay.example:587", ""}, {"smtp://u:" + secret + "@relay.example:x", "mail@medtour.example"},
	} {
		t.Setenv(envSMTPURL, tt.url)
		t.Setenv(envMailFrom, tt.from)
		code, stdout, stderr := command(t, "--data", t.TempDir(), "doctor")
		if code == exitOK || !strings.Contains(stdout+stderr, envSMTPURL) || strings.Contains(stdout+stderr, secret) {
			t.Errorf("%v: code %d: %s%s", tt, code, stdout, stderr)
		}
	}
	var out bytes.Buffer
	Config{SMTPURL: "smtp://u:" + secret + "@relay.example:587"}.print(&out)
	if !strings.Contains(out.String(), "relay.example") || strings.Contains(out.String(), secret) {
		t.Errorf("the configuration is printed as %s", out.String())
	}
}

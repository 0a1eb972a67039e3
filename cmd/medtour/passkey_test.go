package main

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// namedSite starts the site at an address with a name, which passkeys need.
func namedSite(t *testing.T) (baseURL string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	url := "http://localhost" + addr[strings.LastIndex(addr, ":"):]
	site(t, Config{Data: t.TempDir(), Addr: addr, URL: url})
	return url
}

// key gives the browser a device that keeps passkeys and knows its owner.
func (b *browser) key() webauthn.AuthenticatorID {
	b.t.Helper()
	return ask(b, "a device", func(ctx context.Context, tab *chromedp.Target) (webauthn.AuthenticatorID, error) {
		if _, err := cdp.Call(ctx, tab, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return "", err
		}
		res, err := cdp.Call(ctx, tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
		return res.AuthenticatorID, err
	})
}

// pressed clicks a button of the page's script and waits for what follows.
func (b *browser) pressed(selector, then string) {
	b.t.Helper()
	b.do("press "+selector, chromedp.Click(chromedp.CSS(selector)), chromedp.WaitVisible(chromedp.CSS(then)))
}

// A passkey is added, signs in without an address being typed, is listed and
// removed; a copy of it opens nothing.
func TestPasskeyJourney(t *testing.T) {
	b := openBrowser(t)
	b.size(1280, 900)
	base := namedSite(t)
	device := b.key()
	b.open(base + "/sign-in")
	b.follow("button[value=agency]")
	b.open(base + "/account/security")
	b.look("no-passkey")
	b.fill("#passkey-name", "Test device")
	b.pressed("[data-passkey=create] button", ".account-device")
	if got := b.text(".account-device"); !strings.Contains(got, "Test device") {
		t.Errorf("listed: %q", got)
	}
	b.look("passkey")
	signOut := func() {
		b.open(base + "/account")
		b.follow("form[action='/sign-out'] button")
	}
	signOut()
	b.look("sign-in")
	copied := ask(b, "copy", credentials(device))
	b.pressed("[data-passkey=get] button", ".account-out")
	if got := b.text("main"); !strings.Contains(got, "agency@demo.example") {
		t.Errorf("signed in: %q", got)
	}
	// The passkey alone opens the console.
	b.open(base + "/console")
	if at := b.location(); at != base+"/console" {
		t.Errorf("the console is at %s", at)
	}
	b.clean()

	signOut()
	ask(b, "put the copy in place", replace(device, copied))
	b.pressed("[data-passkey=get] button", "[data-passkey=get] [role=alert]")
	if got := b.text("[data-passkey=get] [role=alert]"); !strings.Contains(got, "copied") {
		t.Errorf("a copy of the passkey: %q", got)
	}
	b.pressed("[data-passkey=get] button", "[data-passkey=get] [role=alert]")
	b.follow("button[value=agency]")
	b.open(base + "/account/security")
	if got := b.text(".account-device"); !strings.Contains(got, "locked") {
		t.Errorf("the list says %q", got)
	}
	b.follow(".account-device form button")
	if n := ask(b, "passkeys", evalInt("document.querySelectorAll('.account-device').length")); n != 0 {
		t.Errorf("%d passkeys are left", n)
	}
}

// credentials reads what a device holds.
func credentials(device webauthn.AuthenticatorID) chromedp.Action[[]*webauthn.Credential] {
	return func(ctx context.Context, tab *chromedp.Target) ([]*webauthn.Credential, error) {
		res, err := cdp.Call(ctx, tab, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: device})
		return res.Credentials, err
	}
}

// replace puts an earlier state of a device in place of what it holds.
func replace(device webauthn.AuthenticatorID, list []*webauthn.Credential) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, tab, webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: device})
		for _, c := range list {
			if err == nil {
				// The command of the library names extensions that the device does
				// not take.
				add := cdp.Command[map[string]any, cdp.Empty]{Method: webauthn.CommandAddCredential}
				_, err = cdp.Call(ctx, tab, add, map[string]any{"authenticatorId": device, "credential": map[string]any{
					"credentialId": c.CredentialID, "isResidentCredential": true, "rpId": c.RpID, "privateKey": c.PrivateKey, "userHandle": c.UserHandle, "signCount": c.SignCount}})
			}
		}
		return chromedp.Void{}, err
	}
}

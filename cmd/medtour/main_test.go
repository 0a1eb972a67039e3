package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// command runs a command line as main does and returns what it wrote.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return commandContext(t.Context(), t, args...)
}

func commandContext(ctx context.Context, t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	errs, err := os.Create(filepath.Join(dir, "err"))
	if err != nil {
		t.Fatal(err)
	}
	code = execute(ctx, args, out, errs)
	read := func(f *os.File) string {
		defer func() { _ = f.Close() }()
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	return code, read(out), read(errs)
}

func TestBadCommandLines(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"unknown flag", []string{"--bogus"}, exitUsage, "unknown flag --bogus"},
		{"unknown command", []string{"fly"}, exitUsage, "fly"},
		{"address without port", []string{"--addr", "here"}, exitUsage, `"here" is not host:port`},
		{"taken port", []string{"--addr", taken.Addr().String()}, exitFailed, "in use"},
		{"data folder that is a file", []string{"--addr", "127.0.0.1:0", "--data", file}, exitFailed, "data folder"},
		{"store of another kind", []string{"--store", "postgres://x", "doctor"}, exitFailed, "mongodb://"},
		{"unreachable MongoDB", []string{"--store", "mongodb://u:hunter2@127.0.0.1:1/x?serverSelectionTimeoutMS=300", "seed"}, exitFailed, "does not answer"},
		{"missing import file", []string{"import", file + ".ndjson"}, exitUsage, "cannot be read"},
		{"production without secrets", []string{"--production"}, exitUsage, "MEDTOUR_SECRET"},
		{"unknown kind", []string{"--data", t.TempDir(), "export", "robot"}, exitUsage, "unknown kind"},
		{"bad url", []string{"--url", "medtour.example"}, exitUsage, "--url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := command(t, tt.args...)
			if code != tt.code || !strings.Contains(stdout+stderr, tt.says) {
				t.Errorf("exit %d, want %d\n%s%s", code, tt.code, stdout, stderr)
			}
			if strings.Contains(stdout+stderr, "hunter2") {
				t.Error("the password is shown")
			}
			if strings.Contains(stderr, "goroutine ") {
				t.Error("a stack trace is shown")
			}
		})
	}
}

func TestStripeSettings(t *testing.T) {
	t.Setenv(envStripeKey, "pk_test_wrong")
	code, _, stderr := command(t, "serve")
	if code != exitUsage || !strings.Contains(stderr, envStripeKey) || !strings.Contains(stderr, envWebhookSecret) {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if strings.Contains(stderr, "pk_test_wrong") {
		t.Error("the key is shown")
	}
}

func TestHelpAndVersion(t *testing.T) {
	if code, stdout, _ := command(t, "--help"); code != exitOK || !strings.Contains(stdout, "reindex") || !strings.Contains(stdout, "$MEDTOUR_DATA") {
		t.Errorf("help: exit %d\n%s", code, stdout)
	}
	if code, stdout, _ := command(t, "version"); code != exitOK || !strings.HasPrefix(stdout, "medtour ") {
		t.Errorf("version: exit %d\n%s", code, stdout)
	}
}

// The examples of the documentation are one working file.
func TestDocumentedImport(t *testing.T) {
	data := t.TempDir()
	doc, err := os.ReadFile("../../docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	var examples []string
	scanner := bufio.NewScanner(strings.NewReader(string(doc)))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if line, ok := strings.CutPrefix(scanner.Text(), "    {"); ok {
			examples = append(examples, "{"+line)
		}
	}
	const file = "../../docs/example.ndjson"
	example, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(examples, "\n") != strings.TrimSpace(string(example)) {
		t.Error("docs/example.ndjson is not what docs/import.md shows")
	}
	code, stdout, stderr := command(t, "--data", data, "import", file)
	if code != exitOK || !strings.Contains(stdout, "10 created") {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ = command(t, "--data", data, "import", file); code != exitOK || !strings.Contains(stdout, "10 unchanged") {
		t.Fatalf("again: exit %d\n%s", code, stdout)
	}
	exported := filepath.Join(data, "out.ndjson")
	if code, _, stderr = command(t, "--data", data, "export", "-o", exported); code != exitOK {
		t.Fatalf("export: exit %d\n%s", code, stderr)
	}
	if code, stdout, stderr = command(t, "--data", t.TempDir(), "import", exported); code != exitOK || !strings.Contains(stdout, "10 created") {
		t.Fatalf("import of the export: exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestImportSaysWhichLineIsBad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.ndjson")
	lines := `{"kind":"insurer","id":"good","name":"Good"}` + "\n" + `{"kind":"hospital","id":"bad","name":{"en":"Bad"},"ownership":"royal"}`
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := command(t, "--data", t.TempDir(), "import", file)
	if code != exitFailed || !strings.Contains(stdout, "1 created") || !strings.Contains(stderr, "line 2 (hospital bad)") || !strings.Contains(stderr, "ownership") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

// site starts the program on a free port and returns its address and a way to
// stop it, which waits until it has stopped and fails on an error.
func site(t testing.TB, cfg Config) (baseURL string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	logFile, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.LogFormat, cfg.LogLevel = "text", "info"
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	started := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, cfg, &output{stdout: null, stderr: logFile}, func(url string) { started <- url })
	}()
	select {
	case baseURL = <-started:
	case err := <-ended:
		cancel()
		t.Fatalf("the program ended: %v", err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the program ended with: %v", err)
		}
		checkLog(t, logFile.Name())
		_ = null.Close()
	}
	t.Cleanup(stop)
	return baseURL, stop
}

// checkLog fails on every error in the log: what tests provoke on purpose is
// never one.
func checkLog(t testing.TB, name string) {
	t.Helper()
	log, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=WARN") {
			t.Errorf("the log says: %s", line)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// The program starts on an empty folder, answers, stops, and starts again on
// what is there; a second program on the same folder is refused meanwhile.
func TestServeStopServe(t *testing.T) {
	data := t.TempDir()
	for range 2 {
		base, stop := site(t, Config{Data: data})
		if status, body := get(t, base+"/readyz"); status != http.StatusOK {
			t.Fatalf("readyz: %d %s", status, body)
		}
		status, body := get(t, base+"/api/v1/search?q=blood+cancer+cell+therapy&kind=treatment")
		if status != http.StatusOK || !strings.Contains(body, "car-t") {
			t.Fatalf("search: %d %s", status, body)
		}
		if code, _, stderr := command(t, "--data", data, "doctor"); code != exitFailed {
			t.Errorf("a second program on the folder: exit %d\n%s", code, stderr)
		}
		stop()
	}
	if code, stdout, stderr := command(t, "--data", data, "doctor"); code != exitOK || strings.Contains(stdout, "✗") {
		t.Errorf("doctor: exit %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ := command(t, "--data", data, "search", "--kind", "hospital", "ruijin"); code != exitOK || !strings.Contains(stdout, "hospital/ruijin") {
		t.Errorf("search: exit %d\n%s", code, stdout)
	}
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/medtour/medtour/search"
)

func TestSearchEval(t *testing.T) {
	data := t.TempDir()
	file := filepath.Join(data, "queries.tsv")
	lines := "qid\tlang\tkind\tquery\trelevance\n" +
		"q1\ten\tcontrol\tacupuncture\ttreatment:acupuncture=3\n" +
		"q2\ten\tcontrol\tacupuncture\n" +
		"q3\ten\tlay\ta grade too high\ttreatment:icl=9\n" +
		"q4\tfr\tcontrol\tacupuncture\ttreatment:hip-replacement=3\n"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := command(t, "--data", data, "search-eval", "--json", file)
	var got struct {
		Groups []search.Group
		Worst  []search.Case
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitFailed || !strings.Contains(stderr, "line 4: ") {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	all := got.Groups[0]
	if all.Name != "all" || all.Cases != 2 || all.Success1 != 0.5 || all.Negatives != 1 || all.NegativeMisses != 1 {
		t.Errorf("%+v", all)
	}
	if len(got.Worst) != 2 || got.Worst[0].ID != "q2" || got.Worst[1].ID != "q4" {
		t.Errorf("%+v", got.Worst)
	}
	_, stdout, stderr = command(t, "--data", data, "search-eval", "--lang", "fr", "--worst", "1", file)
	if !strings.Contains(stdout, "lang fr") || strings.Contains(stdout, "lang en") || !strings.Contains(stdout, "want: treatment:hip-replacement=3") {
		t.Errorf("%s%s", stdout, stderr)
	}
	for _, args := range [][]string{{file, "--lang", "de"}, {file + ".missing"}} {
		if code, _, stderr := command(t, append([]string{"--data", data, "search-eval"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit %d\n%s", args, code, stderr)
		}
	}
}

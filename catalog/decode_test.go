package catalog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/medtour/medtour/fault"
)

// fuzzEntity checks one kind: whatever the line, decoding and validating do
// not panic, faults name what is wrong, and what is taken survives being
// written and read again.
func fuzzEntity[T Entity](t *testing.T, line []byte) {
	v, err := Decode[T](line)
	if err == nil {
		err = v.Validate()
	}
	if err != nil {
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Message == "" {
			t.Fatalf("%q: %v", line, err)
		}
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode[T](body)
	if err != nil || !sameContent(v, again) {
		t.Fatalf("%s became %+v: %v", body, again, err)
	}
}

func FuzzEntity(f *testing.F) {
	f.Add([]byte(`{"kind":"hospital","id":"x","name":{"en":"X"},"ownership":"public","claims":[{"kind":"fact","text":{"en":"a"},"source":{"address":"b","grade":"news"}}]}`))
	f.Add([]byte(`{"kind":"package","id":"p","itinerary":{"days":[{"from":1,"to":9999999999}]},"lines":[{"amount":{"amount":-1,"currency":"X"}}]}`))
	f.Add([]byte(`{"id":"d","package_id":"p","rolling":{"weekday":-7,"lead_days":1,"horizon_days":3},"capacity":1}`))
	f.Add([]byte(`{"id":"t","name":{"en":"` + strings.Repeat("a", 600) + `"},"timeline":{"phases":[{"kind":"gentle"},{"kind":"workup"}]}}`))
	f.Add([]byte(`[1e999]`))
	f.Fuzz(func(t *testing.T, line []byte) {
		fuzzEntity[Insurer](t, line)
		fuzzEntity[Organisation](t, line)
		fuzzEntity[Treatment](t, line)
		fuzzEntity[Hospital](t, line)
		fuzzEntity[Place](t, line)
		fuzzEntity[Offering](t, line)
		fuzzEntity[Package](t, line)
		fuzzEntity[Departure](t, line)
	})
}

// Reading lines gives every line of at most MaxLine bytes whole, in order,
// however the reader cuts the stream.
func FuzzReadLine(f *testing.F) {
	f.Add("a\n\nb\r\nc")
	f.Add(strings.Repeat("x", 70_000) + "\nend")
	f.Fuzz(func(t *testing.T, in string) {
		br := bufio.NewReaderSize(strings.NewReader(in), 16)
		var got [][]byte
		for {
			line, err := readLine(br)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, line)
		}
		want := bytes.Split([]byte(in), []byte("\n"))
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1]
		}
		if len(got) != len(want) {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], bytes.TrimSpace(want[i])) {
				t.Fatalf("line %d is %q, want %q", i, got[i], want[i])
			}
		}
	})
}

func TestLongLineIsSkippedWhole(t *testing.T) {
	br := bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", MaxLine+1)+"\nnext"), 64<<10)
	if _, err := readLine(br); !errors.Is(err, errLongLine) {
		t.Fatalf("a line over the limit: %v", err)
	}
	if line, err := readLine(br); err != nil || string(line) != "next" {
		t.Fatalf("after it: %q, %v", line, err)
	}
}

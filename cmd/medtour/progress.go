package main

import (
	"fmt"
	"os"
	"time"
)

// progress tells how far long work is: in place on a terminal, else a line now
// and then.
type progress struct {
	out      *os.File
	what     string
	terminal bool
	start    time.Time
	last     time.Time
	shown    bool
}

// Intervals between two reports of progress.
const (
	everyOnTerminal = 100 * time.Millisecond
	everyInLog      = 5 * time.Second
)

func newProgress(out *os.File, what string) *progress {
	info, err := out.Stat()
	p := &progress{out: out, what: what, start: time.Now(), terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
	if !p.terminal {
		fmt.Fprintf(out, "%s …\n", what)
	}
	return p
}

// at reports that done of total are done; a total of 0 is not known.
func (p *progress) at(done, total int) {
	every := everyInLog
	if p.terminal {
		every = everyOnTerminal
	}
	if time.Since(p.last) < every && (total == 0 || done < total) {
		return
	}
	p.last = time.Now()
	amount := fmt.Sprint(done)
	if total > 0 {
		amount = fmt.Sprintf("%d of %d", done, total)
	}
	if p.terminal {
		fmt.Fprintf(p.out, "\r%s … %s", p.what, amount)
		p.shown = true
	} else if done > 0 && time.Since(p.start) > everyInLog {
		fmt.Fprintf(p.out, "%s … %s\n", p.what, amount)
	}
}

// end closes the report with the time it took.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.out, "\r")
	}
	fmt.Fprintf(p.out, "%s: done in %s\n", p.what, time.Since(p.start).Round(time.Millisecond))
}

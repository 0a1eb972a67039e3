package account

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

// post is a mailer that a test lets fail.
type post struct {
	mu   sync.Mutex
	sent []Message
	err  error
}

func (p *post) Send(_ context.Context, m Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.sent = append(p.sent, m)
	}
	return p.err
}

func (p *post) fail(err error) { p.err = err }

func TestOutbox(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		ctx, clock, out := t.Context(), newHand(), &post{}
		o, err := OpenOutbox(ctx, engine, out, clock.now)
		if err != nil {
			t.Fatal(err)
		}
		letter := func(to string) Message { return Message{To: to, Subject: "s", Text: "secret", Lang: "en"} }
		var reported []error
		flush := func() {
			t.Helper()
			if err := o.Flush(ctx, func(err error) { reported = append(reported, err) }); err != nil {
				t.Fatal(err)
			}
		}
		clock.pass(time.Second)
		out.fail(errors.New("the relay is down"))
		if err := o.Post(ctx, letter("a@example.org"), clock.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		clock.pass(time.Second)
		flush()
		if len(reported) != 1 || len(out.sent) != 0 {
			t.Fatalf("a failure: %v, %v", reported, out.sent)
		}
		out.fail(nil)
		flush()
		if len(out.sent) != 0 {
			t.Error("it was tried again at once")
		}
		// Another process takes over where this one died.
		if o, err = OpenOutbox(ctx, engine, out, clock.now); err != nil {
			t.Fatal(err)
		}
		clock.pass(retryFirst)
		flush()
		flush()
		if len(out.sent) != 1 || out.sent[0].To != "a@example.org" || out.sent[0].ID == "" {
			t.Fatalf("sent %+v", out.sent)
		}
		if n, err := o.letters.Count(ctx, store.Query{}); err != nil || n != 0 {
			t.Errorf("%d letters stay with their secrets, %v", n, err)
		}

		for range 3 {
			if err := o.PostOnce(ctx, "paid/1", letter("b@example.org"), clock.now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			clock.pass(time.Second)
			flush()
		}
		if len(out.sent) != 2 {
			t.Errorf("%d mails, the second must go out once", len(out.sent))
		}

		out.fail(errors.New("the relay is down"))
		if err := o.Post(ctx, letter("c@example.org"), clock.now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		clock.pass(2 * time.Minute)
		reported = nil
		flush()
		if n, err := o.letters.Count(ctx, store.Query{Index: "due"}); err != nil || n != 0 || len(reported) != 1 {
			t.Errorf("%d letters are tried for ever, %v, %v", n, err, reported)
		}
	})
}

// Several processes flush one outbox: each letter goes out once.
func TestOutboxShared(t *testing.T) {
	ctx, clock, out := t.Context(), newHand(), &post{}
	o, err := OpenOutbox(ctx, storetest.Open(t, storetest.SQLite(t)), out, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	const letters = 20
	for i := range letters {
		if err := o.Post(ctx, Message{To: fmt.Sprintf("p%d@example.org", i), Subject: "s"}, clock.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	clock.pass(time.Second)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := o.Flush(ctx, func(err error) { t.Error(err) }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(out.sent) != letters {
		t.Errorf("%d mails went out, want %d", len(out.sent), letters)
	}
}

func TestMailbox(t *testing.T) {
	ctx, clock := t.Context(), newHand()
	o, err := OpenOutbox(ctx, storetest.Open(t, storetest.SQLite(t)), nil, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := o.PostOnce(ctx, fmt.Sprint(i), Message{To: "a@example.org", Subject: fmt.Sprint("letter ", i)}, clock.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		clock.pass(mailboxKept / 2)
	}
	list, err := o.Mailbox(ctx)
	if err != nil || len(list) != 2 || list[0].Message.Subject != "letter 1" {
		t.Fatalf("mailbox %+v, %v", list, err)
	}
	clock.pass(time.Second)
	if err := o.Flush(ctx, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if list, err = o.Mailbox(ctx); err != nil || len(list) != 1 {
		t.Errorf("mailbox after a week %+v, %v", list, err)
	}
}

// relay is a mail relay for one message; it returns what it was told.
func relay(t *testing.T) (address string, said <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	out := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		var all strings.Builder
		lines, data := bufio.NewScanner(conn), false
		fmt.Fprint(conn, "220 relay\r\n")
		for lines.Scan() {
			line := lines.Text()
			all.WriteString(line + "\r\n")
			switch {
			case data && line == ".":
				data = false
				fmt.Fprint(conn, "250 taken\r\n")
			case data:
			case line == "DATA":
				data = true
				fmt.Fprint(conn, "354 go on\r\n")
			case line == "QUIT":
				fmt.Fprint(conn, "221 bye\r\n")
				out <- all.String()
				return
			default:
				fmt.Fprint(conn, "250 ok\r\n")
			}
		}
	}()
	return l.Addr().String(), out
}

func TestSMTP(t *testing.T) {
	address, said := relay(t)
	m, err := NewSMTP("smtp://"+address, "Medtour <mail@medtour.example>")
	if err != nil {
		t.Fatal(err)
	}
	err = m.Send(t.Context(), Message{To: "maria@example.org", Subject: "Ваша ссылка", Text: "plain", HTML: "<p>rich</p>", Lang: "ru", ID: hash("1")})
	if err != nil {
		t.Fatal(err)
	}
	talk := <-said
	for _, want := range []string{"MAIL FROM:<mail@medtour.example>", "RCPT TO:<maria@example.org>"} {
		if !strings.Contains(talk, want) {
			t.Errorf("the relay was not told %s", want)
		}
	}
	_, body, _ := strings.Cut(talk, "DATA\r\n")
	got, err := mail.ReadMessage(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || subject != "Ваша ссылка" || got.Header.Get("Content-Language") != "ru" ||
		got.Header.Get("Message-ID") != "<"+hash("1")[:32]+"@medtour.example>" || !strings.HasPrefix(got.Header.Get("Content-Type"), "multipart/alternative") {
		t.Errorf("subject %q, %v, headers %v", subject, err, got.Header)
	}
	if err := m.Send(t.Context(), Message{To: "a@b.c\r\nRCPT TO:<x@y.z>", Subject: "s", Text: "t"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an address with a line break: %v", err)
	}
}

func TestNewSMTPRefuses(t *testing.T) {
	const secret = "hunter2"
	for _, address := range []string{"", "http://h", "smtp://", "smtp://u:" + secret + "@h:x", "smtp://u:" + secret + "@h:99999", "smtp://u:" + secret + "@h/path"} {
		_, err := NewSMTP(address, "a@example.org")
		if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := NewSMTP("smtp://host", "nobody"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a sender that is no address: %v", err)
	}
}

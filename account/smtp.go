package account

import (
	"context"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/medtour/medtour/fault"
)

// SMTP sends mail through a relay.
type SMTP struct {
	from string
	host string
	opts []gomail.Option
}

// NewSMTP returns a mailer of an address smtp://user:password@host:587 or
// smtps://…:465. With smtp the connection is encrypted by STARTTLS, which only
// a relay on this machine may lack. from is the sender: an address with or
// without a name. Errors: Invalid.
func NewSMTP(address, from string) (*SMTP, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || len(u.Path) > 1 {
		// The cause would repeat the password.
		return nil, fault.New(fault.Invalid, "the address of the mail relay must look like smtp://user:password@host:587")
	}
	if _, err := mail.ParseAddress(from); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the sender must be an address such as Medtour <mail@medtour.example>")
	}
	s := &SMTP{from: from, host: u.Hostname(), opts: []gomail.Option{gomail.WithTimeout(sendTimeout)}}
	port := map[string]int{"smtp": 587, "smtps": 465}[u.Scheme]
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			return nil, fault.New(fault.Invalid, "the port of the mail relay must be between 1 and 65535")
		}
	}
	switch {
	case u.Scheme == "smtps":
		s.opts = append(s.opts, gomail.WithSSL())
	case isLoopback(s.host):
		s.opts = append(s.opts, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		s.opts = append(s.opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	s.opts = append(s.opts, gomail.WithPort(port))
	if u.User != nil {
		password, _ := u.User.Password()
		s.opts = append(s.opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	return s, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send sends a message. Errors: Unavailable.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg, err := s.message(m)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the mail could not be made")
	}
	client, err := gomail.NewClient(s.host, s.opts...)
	if err == nil {
		err = client.DialAndSendWithContext(ctx, msg)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the mail relay did not take a mail")
	}
	return nil
}

func (s *SMTP) message(m Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := msg.From(s.from); err != nil {
		return nil, err
	}
	if err := msg.To(m.To); err != nil {
		return nil, err
	}
	from, err := mail.ParseAddress(s.from)
	if err != nil {
		return nil, err
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	if m.ID != "" {
		msg.SetMessageIDWithValue(m.ID[:min(len(m.ID), 32)] + from.Address[strings.LastIndex(from.Address, "@"):])
	}
	msg.SetGenHeader("Content-Language", m.Lang)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}

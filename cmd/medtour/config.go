package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
)

// Config is the whole configuration, by flags and environment.
type Config struct {
	Addr           string   `help:"Address to listen on; port 0 picks a free one." default:"127.0.0.1:8080" env:"MEDTOUR_ADDR"`
	URL            string   `help:"Public address of the site, such as https://medtour.example; by default where it listens." env:"MEDTOUR_URL" placeholder:"URL"`
	Data           string   `help:"Folder of the embedded database, the search index and other state." default:"./data" env:"MEDTOUR_DATA" type:"path" placeholder:"DIR"`
	Store          string   `help:"Database: empty for the embedded one, or a mongodb:// address." env:"MEDTOUR_STORE" placeholder:"URI"`
	Rates          string   `help:"File with exchange rates to use instead of those that ship with the program." env:"MEDTOUR_RATES" type:"path" placeholder:"FILE"`
	PaymentMethods []string `help:"Methods of payment besides cards that the Stripe account has enabled: alipay, wechat_pay." env:"MEDTOUR_PAYMENT_METHODS" placeholder:"METHOD,…"`
	StripeCountry  string   `help:"Country of the Stripe account, such as US; the methods besides cards depend on it." env:"MEDTOUR_STRIPE_COUNTRY" placeholder:"CODE"`
	Production     bool     `help:"Refuse to start with demonstration settings: needs real Stripe keys, a secret and an https address, and does not load the starting catalogue by itself." env:"MEDTOUR_PRODUCTION"`
	LogFormat      string   `help:"Form of the log: ${enum}." enum:"text,json" default:"text" env:"MEDTOUR_LOG_FORMAT"`
	LogLevel       string   `help:"Least level that is logged: ${enum}; debug logs every request." enum:"debug,info,warn,error" default:"info" env:"MEDTOUR_LOG_LEVEL"`

	// Secrets come from the environment alone: flags can be read by other
	// users of the machine.
	StripeKey            string   `kong:"-"`
	StripeWebhookSecrets []string `kong:"-"`
	Secret               string   `kong:"-"`
	SMTPURL              string   `kong:"-"`
	MailFrom             string   `kong:"-"`
}

// Names of the environment variables that hold secrets.
const (
	envStripeKey     = "MEDTOUR_STRIPE_KEY"
	envWebhookSecret = "MEDTOUR_STRIPE_WEBHOOK_SECRET"
	envSecret        = "MEDTOUR_SECRET"
	envSMTPURL       = "MEDTOUR_SMTP_URL"
	envMailFrom      = "MEDTOUR_MAIL_FROM"
)

// minSecret is the least length of a secret given by hand, in bytes.
const minSecret = 32

// BeforeApply is called by kong before flags are set: it reads the secrets.
func (c *Config) BeforeApply() error {
	c.StripeKey = os.Getenv(envStripeKey)
	c.Secret = os.Getenv(envSecret)
	c.SMTPURL, c.MailFrom = os.Getenv(envSMTPURL), os.Getenv(envMailFrom)
	for s := range strings.SplitSeq(os.Getenv(envWebhookSecret), ",") {
		if s = strings.TrimSpace(s); s != "" {
			c.StripeWebhookSecrets = append(c.StripeWebhookSecrets, s)
		}
	}
	return nil
}

// simulated reports whether the local Stripe takes the payments.
func (c Config) simulated() bool { return c.StripeKey == "" }

// methods are the methods of payment besides cards, and the country of the
// account that takes them. The local Stripe has all.
func (c Config) methods() (methods []string, country string) {
	if c.simulated() && len(c.PaymentMethods) == 0 && c.StripeCountry == "" {
		return []string{checkout.MethodAlipay, checkout.MethodWeChat}, "US"
	}
	return c.PaymentMethods, c.StripeCountry
}

// live reports whether real money moves.
func (c Config) live() bool {
	return strings.HasPrefix(c.StripeKey, "sk_live_") || strings.HasPrefix(c.StripeKey, "rk_live_")
}

// validate checks the configuration as a whole and returns every fault at once.
func (c Config) validate() error {
	var f fault.Fields
	if _, port, err := net.SplitHostPort(c.Addr); err != nil || port == "" {
		f.Add("--addr", "address", "%q is not host:port, such as 127.0.0.1:8080", c.Addr)
	}
	if c.URL != "" && !validSiteURL(c.URL) {
		f.Add("--url", "url", "%q is not an http or https address without a path, such as https://medtour.example", c.URL)
	}
	if c.Store != "" && !strings.HasPrefix(c.Store, "mongodb://") && !strings.HasPrefix(c.Store, "mongodb+srv://") {
		f.Add("--store", "uri", "leave it empty for the embedded database, or give a mongodb:// address")
	}
	if c.Secret != "" && len(c.Secret) < minSecret {
		f.Add(envSecret, "short", "needs at least %d characters", minSecret)
	}
	if !c.simulated() && len(c.StripeWebhookSecrets) == 0 {
		f.Add(envWebhookSecret, "required", "Stripe needs the signing secret of the webhook endpoint, whsec_…; several are separated by commas")
	}
	if !c.simulated() && !hasStripePrefix(c.StripeKey) {
		f.Add(envStripeKey, "key", "is not a secret key of Stripe: sk_test_…, sk_live_…, rk_test_… or rk_live_…")
	}
	if _, err := c.mailer(); err != nil {
		f.Add(envSMTPURL+", "+envMailFrom, "mail", "%s", err)
	}
	if c.Production {
		c.validateProduction(&f)
	}
	return f.Err("the configuration is not right")
}

func (c Config) validateProduction(f *fault.Fields) {
	if !c.live() {
		f.Add(envStripeKey, "production", "production needs a live key of Stripe")
	}
	if c.Secret == "" {
		f.Add(envSecret, "production", "production needs a secret of its own, at least %d characters, the same on every node", minSecret)
	}
	if c.SMTPURL == "" {
		f.Add(envSMTPURL, "production", "production needs a mail relay: patients sign in by a link that is mailed")
	}
	if !strings.HasPrefix(c.URL, "https://") {
		f.Add("--url", "production", "production needs the public https address of the site")
	}
}

// mailer returns what sends mail, nil where none is configured.
func (c Config) mailer() (account.Mailer, error) {
	if c.SMTPURL == "" {
		return nil, nil
	}
	return account.NewSMTP(c.SMTPURL, c.MailFrom)
}

func validSiteURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.User == nil
}

func hasStripePrefix(key string) bool {
	for _, p := range []string{"sk_test_", "sk_live_", "rk_test_", "rk_live_"} {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// print writes the configuration with secrets masked.
func (c Config) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) { _, _ = fmt.Fprintf(tw, "  %s\t%s\n", name, value) }
	database := "embedded, in " + c.Data
	if c.Store != "" {
		database = maskURI(c.Store)
	}
	row("database", database)
	row("data", c.Data)
	switch {
	case c.simulated():
		row("payments", "local test page: demo mode, no money moves")
	case c.live():
		row("payments", "Stripe, live key "+mask(c.StripeKey)+": real money")
	default:
		row("payments", "Stripe, test key "+mask(c.StripeKey)+": no money moves")
	}
	switch {
	case c.SMTPURL != "":
		row("mail", maskURI(c.SMTPURL))
	case c.live():
		row("mail", "none: nobody can sign in")
	default:
		row("mail", "shown at /mailbox instead of sent")
	}
	if c.Secret != "" {
		row("secret", mask(c.Secret))
	}
	_ = tw.Flush()
}

// mask keeps of a secret what tells one from another and no more.
func mask(s string) string {
	const shown = 8
	if len(s) <= 2*shown {
		return "•••"
	}
	return s[:shown] + "•••"
}

// maskURI hides the password of an address.
func maskURI(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "•••"
	}
	return u.Redacted()
}

// logger returns the log that the configuration asks for.
func (c Config) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	// The value is one of the enumeration, which are all levels.
	_ = level.UnmarshalText([]byte(c.LogLevel))
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

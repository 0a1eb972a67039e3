package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/care"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/web"
)

// Timeouts of the HTTP server. A page takes milliseconds; what takes longer is
// a slow line or an attack.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	writeTimeout      = 120 * time.Second
	idleTimeout       = 120 * time.Second
	shutdownTimeout   = 20 * time.Second
	maxHeaderBytes    = 64 << 10
)

// simulatorKey is the key that the local Stripe is addressed with; it opens
// nothing.
const simulatorKey = "sk_test_local_simulator"

const stripeCheckout = "https://checkout.stripe.com"

type serveCmd struct{}

// Run serves the site until the context ends.
func (serveCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	return run(ctx, *cfg, out, nil)
}

// run serves the site until the context ends. Started, when set, is called
// with the site's address once it answers; tests listen on port 0.
//
// It stops in order: no new requests, those under way are finished, workers
// end, the index closes, the store closes.
func run(ctx context.Context, cfg Config, out *output, started func(baseURL string)) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	log := cfg.logger(out.stderr)
	listener, err := listen(cfg.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	base := cfg.URL
	if base == "" {
		base = "http://" + listener.Addr().String()
	}
	base = strings.TrimSuffix(base, "/")

	fmt.Fprintln(out.stdout, "Medtour", version())
	cfg.print(out.stdout)
	engine, cat, err := openCatalog(ctx, &cfg)
	if err != nil {
		return err
	}
	defer func() { closeStore(engine, log) }()
	if err := seedIfEmpty(ctx, &cfg, cat, out); err != nil {
		return err
	}
	bar := newProgress(out.stderr, "opening the search index")
	index, err := openSearch(ctx, &cfg, cat, log, bar.at)
	if err != nil {
		return err
	}
	bar.end()
	defer func() {
		if err := index.Close(); err != nil {
			log.Error("the index did not close", "error", err)
		}
	}()

	analytics, err := search.NewAnalytics(ctx, engine, time.Now)
	if err != nil {
		return err
	}
	loopback := "http://" + loopbackAddr(listener.Addr())
	pay, sim, err := payments(ctx, cfg, engine, base, loopback, log)
	if err != nil {
		return err
	}
	rates, err := loadRates(&cfg)
	if err != nil {
		return err
	}
	secret, err := linkSecret(ctx, cfg, engine)
	if err != nil {
		return err
	}
	outbox, err := openOutbox(ctx, cfg, engine)
	if err != nil {
		return err
	}
	mail, err := web.NewBookingMail(base, []byte(secret), outbox, !cfg.live())
	if err != nil {
		return err
	}
	orders, err := openOrders(ctx, cfg, engine, cat, pay, rates, mail, log)
	if err != nil {
		return err
	}
	accounts, err := account.OpenAccounts(ctx, engine, time.Now)
	if err != nil {
		return err
	}
	factors, err := account.OpenFactors(ctx, engine, accounts, base, []byte(secret))
	if err != nil {
		return err
	}
	slots, err := care.OpenSlots(ctx, engine, time.Now)
	if err != nil {
		return err
	}
	saved, err := account.OpenSaved(ctx, engine, time.Now)
	if err != nil {
		return err
	}
	audit, err := account.OpenAudit(ctx, engine, time.Now)
	if err != nil {
		return err
	}
	webCfg := web.Config{
		Catalog: cat, Search: index, Analytics: analytics, Checkout: orders, Rates: rates, BaseURL: base, Secret: []byte(secret), Demo: !cfg.live(),
		Accounts: accounts, Factors: factors, Outbox: outbox, Audit: audit, Slots: slots, Saved: saved, Ping: engine.Ping, Log: log, Now: time.Now,
	}
	if sim != nil {
		webCfg.Simulator = sim
	} else {
		webCfg.PaymentOrigin = stripeCheckout
	}
	site, err := web.New(webCfg)
	if err != nil {
		return err
	}

	server := &http.Server{Handler: site, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	report := func(err error) { log.Error("background work failed, it is tried again", "error", err) }
	workers.Go(func() { cat.Run(workCtx, report) })
	workers.Go(func() { index.Run(workCtx, report) })
	workers.Go(func() { analytics.Run(workCtx, report) })
	workers.Go(func() { orders.Run(workCtx) })
	workers.Go(func() { accounts.Run(workCtx, report) })
	workers.Go(func() { factors.Run(workCtx, report) })
	workers.Go(func() { outbox.Run(workCtx, report) })
	workers.Go(func() { site.RunAlerts(workCtx, report) })
	if sim != nil {
		workers.Go(func() { sim.Run(workCtx) })
	}
	defer workers.Wait()
	defer stopWork()

	fmt.Fprintf(out.stdout, "\nListening on %s — stop with Ctrl-C\n", base)
	if started != nil {
		started(base)
	}
	select {
	case err := <-served:
		return fmt.Errorf("the server ended: %w", err)
	case <-ctx.Done():
	}
	fmt.Fprintln(out.stdout, "Stopping: finishing what is under way")
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stopCtx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.Warn("some requests were cut off", "error", err)
	}
	return nil
}

// openOutbox opens the mail that is to be sent, or shown where no relay is
// configured.
func openOutbox(ctx context.Context, cfg Config, engine store.Engine) (*account.Outbox, error) {
	mailer, err := cfg.mailer()
	if err != nil {
		return nil, err
	}
	return account.OpenOutbox(ctx, engine, mailer, time.Now)
}

// openOrders opens checkout.
func openOrders(ctx context.Context, cfg Config, engine store.Engine, cat *catalog.Catalog, pay *stripepay.Client, rates catalog.Rates, mail *web.BookingMail, log *slog.Logger) (*checkout.Service, error) {
	methods, country := cfg.methods()
	return checkout.New(ctx, checkout.Config{
		Catalog: cat, Engine: engine, Payments: pay, Methods: methods, Country: country, Payouts: map[string]checkout.PayoutProvider{checkout.PayoutStripe: pay},
		Rates: rates, Now: time.Now, Log: log, Notify: mail.Notify, ReturnURL: mail.ReturnURL,
	})
}

// listen takes the port before anything else is opened, so that a taken one is
// known at once.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.Wrap(fault.Unavailable, err, "the address %s is in use; stop the other program or choose another with --addr", addr)
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "it is not possible to listen on %s; choose another address with --addr", addr)
	}
	return l, nil
}

// loopbackAddr is where the program reaches itself.
func loopbackAddr(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(tcp.Port))
}

// payments returns Stripe, or the local Stripe and its server.
func payments(ctx context.Context, cfg Config, engine store.Engine, base, loopback string, log *slog.Logger) (*stripepay.Client, *stripesim.Server, error) {
	if !cfg.simulated() {
		pay, err := stripepay.New(stripepay.Config{SecretKey: cfg.StripeKey, WebhookSecrets: cfg.StripeWebhookSecrets, MaxNetworkRetries: 2, Clock: time.Now, Logger: log})
		return pay, nil, err
	}
	secret, err := sharedSecret(ctx, engine, "stripesim_webhook")
	if err != nil {
		return nil, nil, err
	}
	sim, err := stripesim.New(ctx, stripesim.Options{Engine: engine, Key: simulatorKey, BaseURL: base + "/stripesim",
		WebhookURL: loopback + "/webhooks/stripe", WebhookSecret: secret, Clock: time.Now, Logger: log})
	if err != nil {
		return nil, nil, err
	}
	pay, err := stripepay.New(stripepay.Config{SecretKey: simulatorKey, WebhookSecrets: []string{secret}, APIURL: loopback + "/stripesim", Clock: time.Now, Logger: log})
	return pay, sim, err
}

// linkSecret is what booking links are signed with.
func linkSecret(ctx context.Context, cfg Config, engine store.Engine) (string, error) {
	if cfg.Secret != "" {
		return cfg.Secret, nil
	}
	return sharedSecret(ctx, engine, "links")
}

func closeStore(engine store.Engine, log *slog.Logger) {
	if err := engine.Close(); err != nil {
		log.Error("the store did not close", "error", err)
	}
}

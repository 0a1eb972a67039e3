package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/web"
)

// errFindings says that a reconciliation has found what a person must look at.
var errFindings = errors.New("something needs a person")

type reconcileCmd struct {
	Span string `help:"How far to look: minute settles what is due, hour takes events that were not delivered, day compares payments and balance: ${enum}." enum:"minute,hour,day" default:"day"`
}

// Help says what the exit codes mean.
func (reconcileCmd) Help() string {
	return "A server does this by itself every minute, hour and day. It may run beside servers on MongoDB; the embedded database belongs to one process, so stop the server first. --addr and --url must be those of the server, since payment pages lead back there. The exit code is 0 when nothing is left to do, 3 when something needs a person, 1 when it could not be done."
}

// Run reconciles once and prints what was found.
func (c reconcileCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	engine, cat, err := openCatalog(ctx, cfg)
	if cfg.Store == "" && fault.Is(err, fault.Unavailable) {
		return fault.Wrap(fault.Unavailable, err, "the data folder %s cannot be used; a server that runs on it reconciles by itself, and shows what it has found at the money desk: stop it to reconcile here", cfg.Data)
	}
	if err != nil {
		return err
	}
	log := cfg.logger(out.stderr)
	defer closeStore(engine, log)
	pay, closePay, err := cfg.paymentsAlone(ctx, engine, log)
	if err != nil {
		return err
	}
	defer closePay()
	orders, err := cfg.ordersAlone(ctx, engine, cat, pay, log)
	if err != nil {
		return err
	}
	found, err := orders.Reconcile(ctx, checkout.Span(c.Span))
	if printErr := printFindings(ctx, out.stdout, orders, found); err == nil {
		err = printErr
	}
	if err == nil && len(found.Items) > 0 {
		err = errFindings
	}
	return err
}

// paymentsAlone returns Stripe, or the local Stripe at an address of its own.
func (c Config) paymentsAlone(ctx context.Context, engine store.Engine, log *slog.Logger) (*stripepay.Client, func(), error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fault.Wrap(fault.Unavailable, err, "it is not possible to listen on the loopback interface")
	}
	pay, sim, err := payments(ctx, c, engine, c.base(), "http://"+listener.Addr().String(), log)
	if err != nil || sim == nil {
		_ = listener.Close()
		return pay, func() {}, err
	}
	server := &http.Server{Handler: http.StripPrefix("/stripesim", sim), ReadHeaderTimeout: readHeaderTimeout}
	go func() { _ = server.Serve(listener) }() // ends with closePay
	return pay, func() { _ = server.Close() }, nil
}

// base is the address of the site when it is not this process that serves it.
func (c Config) base() string {
	if c.URL != "" {
		return strings.TrimSuffix(c.URL, "/")
	}
	return "http://" + c.Addr
}

// ordersAlone opens checkout without a site.
func (c Config) ordersAlone(ctx context.Context, engine store.Engine, cat *catalog.Catalog, pay *stripepay.Client, log *slog.Logger) (*checkout.Service, error) {
	rates, err := loadRates(&c)
	if err != nil {
		return nil, err
	}
	secret, err := linkSecret(ctx, c, engine)
	if err != nil {
		return nil, err
	}
	outbox, err := openOutbox(ctx, c, engine)
	if err != nil {
		return nil, err
	}
	mail, err := web.NewBookingMail(c.base(), []byte(secret), outbox, !c.live())
	if err != nil {
		return nil, err
	}
	return openOrders(ctx, c, engine, cat, pay, rates, mail, log)
}

// printFindings writes what a reconciliation has found, one thing a line.
func printFindings(ctx context.Context, w io.Writer, orders *checkout.Service, f checkout.Findings) error {
	var failed error
	line := func(format string, args ...any) {
		if _, err := fmt.Fprintf(w, format+"\n", args...); err != nil && failed == nil {
			failed = err
		}
	}
	line("%s: %d payment pages, %d events and %d balance transactions compared in %s", f.Span, f.Sessions, f.Events, f.Transactions,
		f.Ended.Sub(f.Begun).Round(time.Millisecond))
	for _, id := range f.Repaired {
		b, err := orders.Booking(ctx, id)
		if err != nil {
			return err
		}
		line("repaired: booking %s, now %s", b.Number, b.State)
	}
	for _, id := range f.Items {
		i, err := orders.Item(ctx, id)
		if err != nil {
			return err
		}
		amount := ""
		if i.Amount != nil {
			amount = ", " + i.Amount.String()
		}
		line("needs a person: %s %s%s: %s", i.Kind, i.ID, amount, i.Note)
	}
	if len(f.Repaired)+len(f.Items) == 0 {
		line("nothing was missed")
	}
	return failed
}

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/seed"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/mongo"
	"github.com/medtour/medtour/store/sqlite"
)

// openStore opens the database that the configuration names.
func openStore(ctx context.Context, cfg *Config) (store.Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Store != "" {
		return mongo.Open(ctx, cfg.Store)
	}
	return sqlite.Open(cfg.Data)
}

// openStoreToRead opens the database only to read it, which the embedded one
// allows while the program is running.
func openStoreToRead(ctx context.Context, cfg *Config) (store.Engine, error) {
	if cfg.Store != "" {
		return openStore(ctx, cfg)
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return sqlite.OpenReadOnly(cfg.Data)
}

// openCatalog opens the database and the catalogue; the caller closes the
// engine.
func openCatalog(ctx context.Context, cfg *Config) (store.Engine, *catalog.Catalog, error) {
	engine, err := openStore(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	cat, err := catalog.Open(ctx, engine, time.Now)
	if err != nil {
		_ = engine.Close()
		return nil, nil, err
	}
	return engine, cat, nil
}

// openSearch opens the index of this node, building it where it is missing.
func openSearch(ctx context.Context, cfg *Config, cat *catalog.Catalog, log *slog.Logger, progress func(done, total int)) (*search.Engine, error) {
	rates, err := loadRates(cfg)
	if err != nil {
		return nil, err
	}
	return search.Open(ctx, search.Config{Dir: filepath.Join(cfg.Data, "index"), Catalog: cat, Now: time.Now, Log: log, Rates: rates, Progress: progress})
}

// seedIfEmpty loads the starting catalogue into an empty one.
func seedIfEmpty(ctx context.Context, cfg *Config, cat *catalog.Catalog, out *output) error {
	n, err := cat.Count(ctx, catalog.KindTreatment)
	if err != nil || n > 0 || cfg.Production {
		return err
	}
	return loadSeed(ctx, cat, out)
}

func loadSeed(ctx context.Context, cat *catalog.Catalog, out *output) error {
	bar := newProgress(out.stderr, "loading the starting catalogue")
	report, err := seed.Load(ctx, cat, bar.at)
	bar.end()
	if err != nil {
		return err
	}
	for _, e := range report.Errors {
		fmt.Fprintln(out.stderr, "  "+e.Error())
	}
	if report.Failed > 0 {
		return fault.New(fault.Internal, "%d entries of the starting catalogue were refused", report.Failed)
	}
	return nil
}

// loadRates returns the exchange rates of the configured file, or those that
// ship with the program.
func loadRates(cfg *Config) (catalog.Rates, error) {
	if cfg.Rates == "" {
		return seed.Rates()
	}
	var rates catalog.Rates
	data, err := os.ReadFile(cfg.Rates)
	if err != nil {
		return rates, fault.Wrap(fault.Invalid, err, "the file of exchange rates %s cannot be read", cfg.Rates)
	}
	if err := json.Unmarshal(data, &rates); err != nil {
		return rates, fault.Wrap(fault.Invalid, err, "the file of exchange rates %s is not the JSON that is expected", cfg.Rates)
	}
	return rates, rates.Validate()
}

// setting is a value that all nodes on a store share.
type setting struct {
	Value string `json:"value"`
}

// sharedSecret returns the secret of a name that all nodes on a store share.
// The first node to ask makes it up.
func sharedSecret(ctx context.Context, engine store.Engine, name string) (string, error) {
	settings, err := store.Open(ctx, engine, store.Def[setting]{Name: "settings"})
	if err != nil {
		return "", err
	}
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return "", fmt.Errorf("no random numbers: %w", err)
	}
	err = settings.Insert(ctx, name, setting{Value: hex.EncodeToString(fresh)})
	if err != nil && !fault.Is(err, fault.Conflict) {
		return "", err
	}
	rec, err := settings.Get(ctx, name)
	return rec.Value.Value, err
}

package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

var (
	ctx = context.Background()
	by  = catalog.Edit{Author: "tester", Reason: "test"}
	now = func() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) }
)

func open(t *testing.T, engine store.Engine) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(ctx, engine, now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sqliteCatalog(t *testing.T) *catalog.Catalog {
	t.Helper()
	return open(t, storetest.Open(t, storetest.SQLite(t)))
}

func insurer(id, name string) catalog.Insurer { return catalog.Insurer{ID: id, Name: name} }

func TestWorkflow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		c := open(t, engine)
		repo := c.Insurers
		if _, err := repo.Save(ctx, insurer("a", "First"), by); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Get(ctx, "a"); !fault.Is(err, fault.NotFound) {
			t.Fatalf("a draft is shown: %v", err)
		}
		if err := repo.Move(ctx, "a", catalog.Published, by); !fault.Is(err, fault.Invalid) {
			t.Fatalf("a draft was published without being submitted: %v", err)
		}
		for _, state := range []catalog.State{catalog.Submitted, catalog.Published} {
			if err := repo.Move(ctx, "a", state, by); err != nil {
				t.Fatalf("%s: %v", state, err)
			}
		}
		if v, err := repo.Get(ctx, "a"); err != nil || v.Name != "First" {
			t.Fatalf("published: %+v, %v", v, err)
		}
		if _, err := repo.Save(ctx, insurer("a", "Second"), by); err != nil {
			t.Fatal(err)
		}
		if v, err := repo.Get(ctx, "a"); err != nil || v.Name != "First" {
			t.Fatalf("a draft changed what patients see: %+v, %v", v, err)
		}
		if changed, err := repo.Publish(ctx, insurer("a", "Second"), by); err != nil || !changed {
			t.Fatalf("publish: %v, %v", changed, err)
		}
		if v, _ := repo.Get(ctx, "a"); v.Name != "Second" {
			t.Fatalf("shown is %q", v.Name)
		}
		if changed, err := repo.Publish(ctx, insurer("a", "Second"), by); err != nil || changed {
			t.Fatalf("publishing the same again: %v, %v", changed, err)
		}
		if err := repo.Move(ctx, "a", catalog.Suspended, by); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Get(ctx, "a"); !fault.Is(err, fault.NotFound) {
			t.Fatalf("suspended is shown: %v", err)
		}
		history, err := repo.History(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		var states []string
		for i, r := range history {
			if r.Number != i+1 || r.Author != "tester" || r.Reason != "test" || !r.At.Equal(now()) {
				t.Errorf("revision %+v", r)
			}
			states = append(states, string(r.State))
		}
		if got := strings.Join(states, " "); got != "draft submitted published draft published suspended" {
			t.Errorf("history %q", got)
		}
	})
}

func TestUnsignedChangesAreRefused(t *testing.T) {
	c := sqliteCatalog(t)
	if _, err := c.Insurers.Publish(ctx, insurer("a", "A"), catalog.Edit{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("unsigned: %v", err)
	}
}

func TestReferencesMustExist(t *testing.T) {
	c := sqliteCatalog(t)
	_, err := c.Departures.Publish(ctx, catalog.Departure{ID: "d", PackageID: "nothing", Date: "2027-01-01", Capacity: 1}, by)
	var f *fault.Error
	if !errors.As(err, &f) || len(f.Fields) != 1 || f.Fields[0].Name != "package_id" || f.Fields[0].Code != "reference" {
		t.Errorf("error %+v", err)
	}
}

// Of editors who start from the same revision one makes the next, and the
// others are told; nothing is overwritten.
func TestRacingEditors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		c := open(t, engine)
		const editors = 8
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range editors {
			wg.Go(func() {
				_, err := c.Insurers.Publish(ctx, insurer("a", fmt.Sprintf("name %d", i)), by)
				switch {
				case err == nil:
					won.Add(1)
				case !fault.Is(err, fault.Conflict):
					t.Errorf("editor %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		history, err := c.Insurers.History(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		if won.Load() == 0 || int(won.Load()) != len(history) {
			t.Fatalf("%d editors won, %d revisions", won.Load(), len(history))
		}
		listing, err := c.Insurers.Listing(ctx, "a")
		if err != nil || listing.Revision != len(history) || listing.Value.Name != history[len(history)-1].Value.Name {
			t.Fatalf("listing %+v, %v", listing, err)
		}
	})
}

// Every change appears in the feed once its writer has returned, numbered
// without gaps, also when many write at the same time through two nodes.
func TestFeedOfTwoNodes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		nodes := []*catalog.Catalog{open(t, engine), open(t, engine)}
		const writers, each = 4, 5
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					id := fmt.Sprintf("i-%d-%d", w, i)
					if _, err := nodes[w%2].Insurers.Publish(ctx, insurer(id, "x"), by); err != nil {
						t.Errorf("%s: %v", id, err)
					}
				}
			})
		}
		wg.Wait()
		changes, err := nodes[0].Changes(ctx, 0, store.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for i, ch := range changes {
			if ch.Seq != int64(i+1) {
				t.Fatalf("change %d has number %d", i+1, ch.Seq)
			}
			seen[ch.ID] = true
		}
		if len(seen) != writers*each {
			t.Errorf("%d entries in the feed, want %d", len(seen), writers*each)
		}
	})
}

// A node stops showing what another has replaced.
func TestNodesFollowEachOther(t *testing.T) {
	engine := storetest.Open(t, storetest.SQLite(t))
	a, b := open(t, engine), open(t, engine)
	runCtx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { b.Run(runCtx, func(err error) { t.Error(err) }) })
	defer wg.Wait()
	defer stop()
	if _, err := a.Insurers.Publish(ctx, insurer("x", "old"), by); err != nil {
		t.Fatal(err)
	}
	for {
		v, err := b.Insurers.Get(ctx, "x")
		if err == nil && v.Name == "old" {
			break
		}
		if !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
	}
	if _, err := a.Insurers.Publish(ctx, insurer("x", "new"), by); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		v, err := b.Insurers.Get(ctx, "x")
		if err != nil {
			t.Fatal(err)
		}
		if v.Name == "new" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the other node still shows the old revision")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// dyingEngine lets a number of writes through and fails every later one, as a
// process that is killed does.
type dyingEngine struct {
	store.Engine
	left *atomic.Int64
}

type dyingDocs struct {
	store.Documents
	left *atomic.Int64
}

var errKilled = errors.New("killed")

func (e dyingEngine) Open(ctx context.Context, s store.Schema) (store.Documents, error) {
	d, err := e.Engine.Open(ctx, s)
	return dyingDocs{d, e.left}, err
}

func (d dyingDocs) Insert(ctx context.Context, id string, body []byte) error {
	if d.left.Add(-1) < 0 {
		return errKilled
	}
	return d.Documents.Insert(ctx, id, body)
}

func (d dyingDocs) Replace(ctx context.Context, id string, version int64, body []byte) error {
	if d.left.Add(-1) < 0 {
		return errKilled
	}
	return d.Documents.Replace(ctx, id, version, body)
}

// A writer that is killed at any of its writes leaves nothing that the next
// one cannot finish: the change is either whole or not there, and what is
// there is in the feed.
func TestWriterKilledAtEveryWrite(t *testing.T) {
	for survives := range int64(12) {
		engine := storetest.Open(t, storetest.SQLite(t))
		c := open(t, engine)
		if _, err := c.Insurers.Publish(ctx, insurer("a", "first"), by); err != nil {
			t.Fatal(err)
		}
		var left atomic.Int64
		left.Store(1 << 30)
		dying, err := catalog.Open(ctx, dyingEngine{engine, &left}, now)
		if err != nil {
			t.Fatal(err)
		}
		left.Store(survives)
		_, err = dying.Insurers.Publish(ctx, insurer("a", "second"), by)
		acknowledged := err == nil

		after := open(t, engine)
		shown, err := after.Insurers.Get(ctx, "a")
		if err != nil {
			t.Fatalf("after %d writes: %v", survives, err)
		}
		if acknowledged && shown.Name != "second" {
			t.Fatalf("after %d writes: an acknowledged change is lost", survives)
		}
		if changed, err := after.Insurers.Publish(ctx, insurer("a", "third"), by); err != nil || !changed {
			t.Fatalf("after %d writes: the next writer: %v, %v", survives, changed, err)
		}
		changes, err := after.Changes(ctx, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		listing, err := after.Insurers.Listing(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		if last := changes[len(changes)-1]; last.Revision != listing.Revision || listing.Unfed {
			t.Fatalf("after %d writes: the feed ends at revision %d, the listing at %d", survives, last.Revision, listing.Revision)
		}
		if acknowledged {
			return
		}
	}
	t.Fatal("no number of writes was enough")
}

func TestLists(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		c := open(t, engine)
		publish := func(_ bool, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		name := catalog.Text{"en": "x"}
		treatment := func(id string) catalog.Treatment {
			return catalog.Treatment{ID: id, Name: name, Specialty: "s", ServiceType: catalog.TCM, BookingClass: catalog.Instant}
		}
		publish(c.Treatments.Publish(ctx, treatment("t-1"), by))
		publish(c.Treatments.Publish(ctx, treatment("t-2"), by))
		publish(c.Hospitals.Publish(ctx, catalog.Hospital{ID: "h", Name: name, Ownership: catalog.Public}, by))
		publish(c.Offerings.Publish(ctx, catalog.Offering{ID: "o", TreatmentID: "t-1", HospitalID: "h"}, by))
		publish(c.Offerings.Publish(ctx, catalog.Offering{ID: "p", TreatmentID: "t-1", HospitalID: "h"}, by))
		check := func(treatment, want string) {
			t.Helper()
			list, err := c.OfferingsOfTreatment(ctx, treatment)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, o := range list {
				ids = append(ids, o.ID)
			}
			if got := strings.Join(ids, " "); got != want {
				t.Errorf("offerings of %s: %q, want %q", treatment, got, want)
			}
		}
		check("t-1", "o p")
		publish(c.Offerings.Publish(ctx, catalog.Offering{ID: "o", TreatmentID: "t-2", HospitalID: "h"}, by))
		check("t-1", "p")
		check("t-2", "o")
		if err := c.Offerings.Move(ctx, "p", catalog.Suspended, by); err != nil {
			t.Fatal(err)
		}
		check("t-1", "")
	})
}

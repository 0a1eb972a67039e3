package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// testPagingAsModel does what it likes to a collection and to a map, and
// compares every query with the map's answer.
func testPagingAsModel(t *testing.T, engine store.Engine) {
	c := collection(t, engine, people)
	rapid.Check(t, func(r *rapid.T) {
		m := &model{c: c, docs: map[string]person{}}
		m.check(r, c.Each(r.Context(), store.Query{}, func(rec store.Record[person]) error {
			return c.Delete(r.Context(), rec.ID, rec.Version)
		}), ok)
		r.Repeat(map[string]func(*rapid.T){
			"insert":  m.insert,
			"replace": m.replace,
			"delete":  m.delete,
			"find":    m.find,
		})
	})
}

type model struct {
	c    *store.Collection[person]
	docs map[string]person
}

// Few different ids and values, so that they meet.
var (
	someID    = rapid.StringMatching(`[ab](/[éz$.])?`)
	someValue = rapid.StringMatching(`|[xyé]|x[y/]`)
)

func somePerson(r *rapid.T) person {
	return person{Name: someValue.Draw(r, "name"), Email: someValue.Draw(r, "email")}
}

func (m *model) taken(id string, p person) bool {
	for other, q := range m.docs {
		if other != id && p.Email != "" && q.Email == p.Email {
			return true
		}
	}
	return false
}

func (m *model) insert(r *rapid.T) {
	id, p := someID.Draw(r, "id"), somePerson(r)
	_, exists := m.docs[id]
	expect := ok
	if exists || m.taken(id, p) {
		expect = fault.Conflict
	} else {
		m.docs[id] = p
	}
	m.check(r, m.c.Insert(r.Context(), id, p), expect)
}

func (m *model) replace(r *rapid.T) {
	id, p := someID.Draw(r, "id"), somePerson(r)
	_, err := m.c.Update(r.Context(), id, func(q *person) error { *q = p; return nil })
	switch _, exists := m.docs[id]; {
	case !exists:
		m.check(r, err, fault.NotFound)
	case m.taken(id, p):
		m.check(r, err, fault.Conflict)
	default:
		m.check(r, err, ok)
		m.docs[id] = p
	}
}

func (m *model) delete(r *rapid.T) {
	id := someID.Draw(r, "id")
	expect := fault.NotFound
	if _, exists := m.docs[id]; exists {
		expect = ok
		delete(m.docs, id)
	}
	m.check(r, m.c.Delete(r.Context(), id, 0), expect)
}

func (m *model) check(r *rapid.T, err error, kind fault.Kind) {
	if got := fault.KindOf(err); got != kind {
		r.Fatalf("got %q (%v), want %q", got, err, kind)
	}
}

func (m *model) find(r *rapid.T) {
	q := store.Query{
		Index:      rapid.SampledFrom([]string{"", "name", "email"}).Draw(r, "index"),
		Descending: rapid.Bool().Draw(r, "descending"),
		Limit:      rapid.IntRange(1, 4).Draw(r, "limit"),
	}
	bound := someValue
	if q.Index == "" {
		bound = someID
	}
	if rapid.Bool().Draw(r, "range") {
		q.From, q.To = bound.Draw(r, "from"), bound.Draw(r, "to")
	} else if rapid.Bool().Draw(r, "one value") {
		q.Equal = bound.Draw(r, "equal")
	}
	var got []string
	err := m.c.Each(r.Context(), q, func(rec store.Record[person]) error {
		got = append(got, rec.ID)
		if rec.Value != m.docs[rec.ID] {
			r.Fatalf("%q is %+v, want %+v", rec.ID, rec.Value, m.docs[rec.ID])
		}
		return nil
	})
	m.check(r, err, ok)
	expect := m.query(q)
	if !slices.Equal(got, expect) {
		r.Fatalf("%+v: got %q, want %q", q, got, expect)
	}
	n, err := m.c.Count(r.Context(), q)
	m.check(r, err, ok)
	if n != int64(len(expect)) {
		r.Fatalf("%+v: counted %d, want %d", q, n, len(expect))
	}
}

// query answers a query from the map.
func (m *model) query(q store.Query) []string {
	value := func(id string) string {
		switch q.Index {
		case "name":
			return m.docs[id].Name
		case "email":
			return m.docs[id].Email
		}
		return id
	}
	var ids []string
	for id := range maps.Keys(m.docs) {
		v := value(id)
		inRange := v >= q.From && (q.To == "" || v < q.To)
		if q.Equal != "" {
			inRange = v == q.Equal
		}
		if v != "" && inRange {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(value(a), value(b)), cmp.Compare(a, b)) })
	if q.Descending {
		slices.Reverse(ids)
	}
	return ids
}

// testPagingWhileAdded pages in both directions while other documents come
// and go: those that stay are seen exactly once.
func testPagingWhileAdded(t *testing.T, engine store.Engine) {
	ctx, c := t.Context(), collection(t, engine, people)
	const staying = 60
	for i := range staying {
		want(t, c.Insert(ctx, fmt.Sprintf("s%02d", i), person{Name: fmt.Sprint("n", i%7)}), ok)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			id := fmt.Sprintf("s%02dx%d", i%staying, i)
			if err := c.Insert(ctx, id, person{Name: fmt.Sprint("n", i%9)}); err != nil {
				t.Error(err)
				return
			}
			// Some stay, so that pages move; not so many that paging never ends.
			if i%8 != 0 || i > 4*staying {
				if err := c.Delete(ctx, id, 0); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for _, q := range []store.Query{
		{Limit: 7}, {Limit: 7, Descending: true},
		{Index: "name", Limit: 7}, {Index: "name", Limit: 7, Descending: true},
	} {
		seen := map[string]int{}
		for _, id := range find(t, c, q) {
			seen[id]++
		}
		for i := range staying {
			if id := fmt.Sprintf("s%02d", i); seen[id] != 1 {
				t.Errorf("%+v: %s was seen %d times", q, id, seen[id])
			}
		}
	}
	close(stop)
	<-stopped
}

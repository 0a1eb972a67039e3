package web

import (
	"context"
	"sync"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// publishedIDs keeps the ids of everything published, by kind. They are read
// again when the catalogue has changed: reading every entry from the store for
// each reader of the front page would cost more than the page.
type publishedIDs struct {
	mu     sync.Mutex
	seq    int64
	byKind map[catalog.Kind][]string
}

// of returns the ids of a kind in their order, calling read where they are not
// known as of a change of the catalogue.
func (l *publishedIDs) of(kind catalog.Kind, seq int64, read func() ([]string, error)) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seq != seq || l.byKind == nil {
		l.seq, l.byKind = seq, map[catalog.Kind][]string{}
	}
	if ids, ok := l.byKind[kind]; ok {
		return ids, nil
	}
	ids, err := read()
	if err == nil {
		l.byKind[kind] = ids
	}
	return ids, err
}

// published returns everything published of a kind, in the order of ids. The
// entries are shared: do not change them.
func published[T catalog.Entity](ctx context.Context, s *Server, repo *catalog.Repo[T]) ([]T, error) {
	ids, err := idsOf(ctx, s, repo)
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(ids))
	for _, id := range ids {
		v, err := repo.Get(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue // withdrawn a moment ago
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// idsOf returns the ids of everything published of a kind.
func idsOf[T catalog.Entity](ctx context.Context, s *Server, repo *catalog.Repo[T]) ([]string, error) {
	var kind T
	// The number is read first: a change in between makes the list be read
	// once more, never kept too long.
	return s.ids.of(kind.EntityKind(), s.Catalog.LastSeq(), func() ([]string, error) {
		ids := []string{}
		err := repo.Each(ctx, func(v T) error { ids = append(ids, v.EntityID()); return nil })
		return ids, err
	})
}

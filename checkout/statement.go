package checkout

import (
	"context"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/store"
)

// Posting is a change of an account by an entry of a booking's log. The
// postings of an entry add up to zero.
type Posting struct {
	BookingID string
	Number    string
	// Seq and Kind of the entry.
	Seq  int64
	Kind EntryKind
	At   time.Time
	LedgerLine
}

// Postings returns every change of the booking's accounts, computed from the
// log. Money comes from AccountReceived, which is therefore negative.
func (b Booking) Postings() []Posting {
	var out []Posting
	before := map[LedgerLine]int64{}
	now := Booking{ID: b.ID}
	for _, e := range b.Timeline {
		now.apply(e)
		after := map[LedgerLine]int64{}
		for _, l := range now.Ledger() {
			key := l
			key.Amount.Amount = 0
			after[key] += l.Amount.Amount
		}
		for _, p := range now.Payments {
			after[LedgerLine{PaymentID: p.ID, Account: AccountReceived, Amount: catalog.Money{Currency: p.Amount.Currency}}] -= p.Amount.Amount
		}
		changed := map[LedgerLine]int64{}
		for key, amount := range after {
			changed[key] += amount
		}
		for key, amount := range before {
			changed[key] -= amount
		}
		first := len(out)
		for key, amount := range changed {
			if amount != 0 {
				key.Amount.Amount = amount
				out = append(out, Posting{b.ID, b.Number, e.Seq, e.Kind, e.At, key})
			}
		}
		slices.SortFunc(out[first:], func(x, y Posting) int {
			return strings.Compare(x.PaymentID+"/"+string(x.Account)+"/"+string(x.Payee)+"/"+x.Organisation,
				y.PaymentID+"/"+string(y.Account)+"/"+string(y.Payee)+"/"+y.Organisation)
		})
		before = after
	}
	return out
}

// Balance is what an account comes to in a currency.
type Balance struct {
	Account Account
	Amount  catalog.Money
}

// Statement is a ledger over many bookings.
type Statement struct {
	// Organisation whose accounts it shows; empty for all accounts.
	Organisation string
	// Postings in the order of time.
	Postings []Posting
	// Balances are the sums of the postings by account and currency.
	Balances []Balance
}

// OrganisationLedger returns the ledger of an organisation: what is held for
// it, payable and paid out, over all bookings. Without an organisation it has
// every account, which add up to zero. Errors: those of the store.
func (s *Service) OrganisationLedger(ctx context.Context, organisation string) (Statement, error) {
	st := Statement{Organisation: organisation}
	seen := map[string]bool{}
	var queries []store.Query
	switch organisation {
	case "", PlatformOrganisation:
		queries = []store.Query{{Index: "created"}}
	default:
		queries = []store.Query{Filter{AgencyID: organisation}.query(), Filter{HospitalID: organisation}.query()}
	}
	for _, q := range queries {
		q.Limit = store.MaxPage
		err := s.views.Each(ctx, q, func(rec store.Record[View]) error {
			if seen[rec.ID] || rec.Value.Entries == 0 {
				return nil
			}
			seen[rec.ID] = true
			b, err := s.load(ctx, rec.ID)
			if err == nil {
				st.add(b.Postings())
			}
			return err
		})
		if err != nil {
			return Statement{}, err
		}
	}
	st.sum()
	return st, nil
}

func (st *Statement) add(postings []Posting) {
	for _, p := range postings {
		if st.Organisation == "" || p.Organisation == st.Organisation {
			st.Postings = append(st.Postings, p)
		}
	}
}

// sum orders the postings and computes the balances.
func (st *Statement) sum() {
	slices.SortStableFunc(st.Postings, func(a, b Posting) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.BookingID+store.SeqKey(a.Seq), b.BookingID+store.SeqKey(b.Seq))
	})
	st.Balances = nil
	for _, p := range st.Postings {
		i := slices.IndexFunc(st.Balances, func(b Balance) bool { return b.Account == p.Account && b.Amount.Currency == p.Amount.Currency })
		if i < 0 {
			st.Balances = append(st.Balances, Balance{Account: p.Account, Amount: catalog.Money{Currency: p.Amount.Currency}})
			i = len(st.Balances) - 1
		}
		st.Balances[i].Amount.Amount += p.Amount.Amount
	}
	slices.SortFunc(st.Balances, func(a, b Balance) int {
		return strings.Compare(a.Amount.Currency+string(a.Account), b.Amount.Currency+string(b.Account))
	})
}

// WriteCSV writes the postings, one a line.
func (st Statement) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"at", "booking", "entry", "what", "payment", "account", "organisation", "payee", "currency", "amount"}}
	for _, p := range st.Postings {
		rows = append(rows, []string{p.At.Format(time.RFC3339), p.Number, strconv.FormatInt(p.Seq, 10), string(p.Kind), p.PaymentID,
			string(p.Account), p.Organisation, string(p.Payee), p.Amount.Currency, p.Amount.Decimal()})
	}
	return out.WriteAll(rows)
}

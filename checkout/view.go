package checkout

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	// busyFor is how far ahead a booking is marked as being worked on.
	busyFor = 5 * time.Minute
	// busyAtLeast is what is left of the mark when a run begins to write. It
	// must exceed runTimeout.
	busyAtLeast = 3 * time.Minute
)

// View is a booking in lists: a projection of its log that can be rebuilt and
// decides nothing about money. It also says when the worker has to look at the
// booking again.
type View struct {
	ID          string       `json:"id"`
	Number      string       `json:"number"`
	State       State        `json:"state"`
	PackageID   string       `json:"package_id"`
	PackageName catalog.Text `json:"package_name"`
	AgencyID    string       `json:"agency_id"`
	HospitalIDs []string     `json:"hospital_ids"`
	OfferingIDs []string     `json:"offering_ids"`
	PatientName string       `json:"patient_name"`
	Email       string       `json:"email"`
	Country     string       `json:"country,omitempty"`
	// Start is the first day, a date in Shanghai at midnight UTC.
	Start         time.Time     `json:"start,omitzero"`
	Deposit       catalog.Money `json:"deposit"`
	Paid          catalog.Money `json:"paid"`
	Refunded      catalog.Money `json:"refunded"`
	RefundPending catalog.Money `json:"refund_pending"`
	RefundStatus  RefundStatus  `json:"refund_status,omitempty"`
	// Disputed is true while a dispute is open.
	Disputed bool      `json:"disputed,omitempty"`
	Demo     bool      `json:"demo,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	AnswerBy time.Time `json:"answer_by,omitzero"`
	// ReplyBy is set while the patient has to answer a question.
	ReplyBy time.Time `json:"reply_by,omitzero"`
	// Updated is the time of the last entry.
	Updated time.Time `json:"updated,omitzero"`

	// Entries is the length of the log that the view shows; 0 before the first
	// entry.
	Entries int `json:"entries"`
	// Told is how many entries the patient has been told of.
	Told int `json:"told,omitempty"`
	// Next is when the booking has to be looked at again; zero means never.
	Next time.Time `json:"next,omitzero"`
	// Busy is set before a run writes its first entry, and cleared by a run
	// that finds nothing to do after it has passed. A process that dies in
	// between leaves it behind, so that the worker goes on.
	Busy time.Time `json:"busy,omitzero"`
}

var viewsDef = store.Def[View]{
	Name: "checkout_bookings",
	Indexes: []store.Index{{Name: "due"}, {Name: "created"}, {Name: "state"},
		{Name: "agency"}, {Name: "hospital"}, {Name: "email"}},
	Keys: func(v View) map[string]string {
		keys := map[string]string{"due": store.TimeKey(v.due())}
		if v.Entries == 0 {
			return keys
		}
		at := store.TimeKey(v.Created)
		keys["created"] = at
		keys["state"] = string(v.State) + "/" + at
		keys["agency"] = v.AgencyID + "/" + at
		keys["email"] = strings.ToLower(v.Email) + "/" + at
		if len(v.HospitalIDs) > 0 {
			keys["hospital"] = v.HospitalIDs[0] + "/" + at
		}
		return keys
	},
}

func (v View) due() time.Time {
	if v.Next.IsZero() || !v.Busy.IsZero() && v.Busy.Before(v.Next) {
		return v.Busy
	}
	return v.Next
}

// viewOf projects a booking.
func viewOf(b Booking) View {
	q := b.Quote
	var reply time.Time
	if b.Question != nil {
		reply = b.Question.ReplyBy
	}
	return View{
		ID: b.ID, Number: b.Number, State: b.State, PackageID: q.PackageID, PackageName: q.PackageName,
		AgencyID: q.AgencyID, HospitalIDs: q.HospitalIDs, OfferingIDs: q.OfferingIDs,
		PatientName: b.Patient.Name, Email: b.Patient.Email, Country: b.Patient.Country, Start: q.Start,
		Deposit: q.Deposit, Paid: b.Paid, Refunded: b.Refunded, RefundPending: b.RefundPending, RefundStatus: b.RefundStatus,
		Disputed: slices.ContainsFunc(b.Disputes, func(d DisputeRecord) bool { return d.Open }),
		Demo:     q.Demo, Created: b.Created, AnswerBy: b.AnswerBy, ReplyBy: reply,
		Updated: b.Timeline[len(b.Timeline)-1].At, Entries: len(b.Timeline),
	}
}

// mark makes sure that the worker looks at a booking after the run that is
// about to write to its log, even when that run dies.
func (s *Service) mark(ctx context.Context, id string) error {
	now := s.now()
	rec, err := s.views.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		err = s.views.Insert(ctx, id, View{ID: id, Busy: now.Add(busyFor)})
		if fault.Is(err, fault.Conflict) {
			return s.mark(ctx, id)
		}
		return err
	}
	if err != nil || rec.Value.Busy.After(now.Add(busyAtLeast)) {
		return err
	}
	_, err = s.views.Update(ctx, id, func(v *View) error {
		v.Busy = later(v.Busy, now.Add(busyFor))
		return nil
	})
	if fault.Is(err, fault.NotFound) {
		return s.mark(ctx, id)
	}
	return err
}

// show brings the list view up to a booking. again asks for another look soon;
// swept says that the run looked for what others left behind, so that a mark
// that has passed can go; told, up to which entry the patient has been told.
func (s *Service) show(ctx context.Context, b Booking, again, swept bool, told int) error {
	now := s.now()
	next := nextLook(&b, now)
	if soon := now.Add(time.Minute); again && (next.IsZero() || next.After(soon)) {
		next = soon
	}
	change := func(v *View) error {
		if v.Entries <= len(b.Timeline) {
			before := *v
			*v = viewOf(b)
			v.Busy, v.Told, v.Next = before.Busy, before.Told, next
		}
		v.Told = max(v.Told, told)
		if swept && !again && !v.Busy.After(now) {
			v.Busy = time.Time{}
		}
		return nil
	}
	rec, err := s.views.Get(ctx, b.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		var v View
		_ = change(&v) // never fails
		err = s.views.Insert(ctx, b.ID, v)
		if fault.Is(err, fault.Conflict) {
			err = nil // whoever made it shows at least as much, or is about to
		}
	case err == nil && !(rec.Value.Entries == len(b.Timeline) && rec.Value.Next.Equal(next) && rec.Value.Told >= told && !swept):
		_, err = s.views.Update(ctx, b.ID, change)
	}
	if err == nil && !next.IsZero() && next.Before(now.Add(workerTick)) {
		select {
		case s.wake <- struct{}{}:
		default: // Run has been told already
		}
	}
	return err
}

// Filter selects bookings for a list; what is empty selects all.
type Filter struct {
	State    State
	AgencyID string
	// HospitalID of the main offering.
	HospitalID string
	// Email of the patient, in any case.
	Email string
}

// Page is a part of a list of bookings.
type Page struct {
	Items []View
	// Next is the cursor of the following page, empty at the end.
	Next string
}

// Bookings returns a page of the list, the latest bookings first. limit 0
// means store.DefaultPage. Errors: Invalid for a bad cursor.
func (s *Service) Bookings(ctx context.Context, f Filter, limit int, after string) (Page, error) {
	if limit <= 0 || limit > store.MaxPage {
		limit = store.DefaultPage
	}
	q := f.query()
	q.Descending, q.After = true, after
	var out Page
	for {
		// Exactly as many as are missing, so that the cursor is that of the
		// last one shown.
		q.Limit = limit - len(out.Items)
		page, err := s.views.Find(ctx, q)
		if err != nil {
			return Page{}, err
		}
		for _, rec := range page.Items {
			if f.matches(rec.Value) {
				out.Items = append(out.Items, rec.Value)
			}
		}
		out.Next, q.After = page.Next, page.Next
		if page.Next == "" || len(out.Items) == limit {
			return out, nil
		}
	}
}

// CountBookings returns how many bookings a filter of one field selects.
func (s *Service) CountBookings(ctx context.Context, f Filter) (int64, error) {
	return s.views.Count(ctx, f.query())
}

// query uses the index that selects the fewest.
func (f Filter) query() store.Query {
	index, value := "created", ""
	switch {
	case f.Email != "":
		index, value = "email", strings.ToLower(f.Email)
	case f.AgencyID != "":
		index, value = "agency", f.AgencyID
	case f.HospitalID != "":
		index, value = "hospital", f.HospitalID
	case f.State != "":
		index, value = "state", string(f.State)
	}
	q := store.Query{}
	if value != "" {
		q = store.PrefixQuery(value + "/")
	}
	q.Index = index
	return q
}

func (f Filter) matches(v View) bool {
	return (f.State == "" || v.State == f.State) && (f.AgencyID == "" || v.AgencyID == f.AgencyID) &&
		(f.HospitalID == "" || slices.Contains(v.HospitalIDs, f.HospitalID)) &&
		(f.Email == "" || strings.EqualFold(v.Email, f.Email))
}

// Rebuild makes the list view anew from the booking logs. Every booking becomes
// due, so that the worker looks at it.
func (s *Service) Rebuild(ctx context.Context) error {
	id := ""
	flush := func() error {
		if id == "" {
			return nil
		}
		b, err := s.load(ctx, id)
		if err != nil {
			return err
		}
		if err := s.mark(ctx, id); err != nil {
			return err
		}
		return s.show(ctx, b, true, false, 0)
	}
	err := s.entries.Each(ctx, store.Query{Limit: store.MaxPage}, func(rec store.Record[Entry]) error {
		booking, _, _ := strings.Cut(rec.ID, "/")
		if booking == id {
			return nil
		}
		err := flush()
		id = booking
		return err
	})
	if err != nil {
		return err
	}
	return flush()
}

package checkout

import (
	"context"
	"math/big"
	"slices"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Choice is what a patient has chosen of a package.
type Choice struct {
	PackageID string `json:"package_id"`
	// StartKey names the start date, catalog.Start.Key.
	StartKey   string `json:"start_key"`
	Companions int    `json:"companions"`
	// RoomID of the package's rooms; empty is the first.
	RoomID string `json:"room_id,omitempty"`
	// Interpreter is a language of the package's, BCP 47; empty is none.
	Interpreter string `json:"interpreter,omitempty"`
	// Currency to pay in; empty is the package's.
	Currency string `json:"currency"`
	// Lang of the patient, for the payment page.
	Lang string `json:"lang"`
}

// Quote is a priced snapshot of a package, a start date, the options, the
// policy and the exchange rate. What the patient saw is what is charged.
type Quote struct {
	// ID is empty for a price that was not stored.
	ID string `json:"id"`
	Choice
	PackageName catalog.Text `json:"package_name"`
	AgencyID    string       `json:"agency_id"`
	// OfferingIDs, HospitalIDs and TreatmentIDs name the medical side, the
	// main one first, each once.
	OfferingIDs  []string `json:"offering_ids"`
	HospitalIDs  []string `json:"hospital_ids"`
	TreatmentIDs []string `json:"treatment_ids"`
	// BookingClass is the strictest of the treatments.
	BookingClass catalog.BookingClass `json:"booking_class"`
	// Start is the first day at midnight UTC; read it as a date in Shanghai.
	Start time.Time `json:"start"`
	// Days of the itinerary, and the nights between them.
	Days   int         `json:"days"`
	Nights int         `json:"nights"`
	Lines  []QuoteLine `json:"lines"`
	// Total of all lines that have a price.
	Total catalog.Money `json:"total"`
	// Deposit is paid at booking; DueOnArrival is what is left to pay of the
	// lines due on arrival.
	Deposit      catalog.Money `json:"deposit"`
	DueOnArrival catalog.Money `json:"due_on_arrival"`
	// DueAtHospital is the priced part of what the hospital bills.
	DueAtHospital catalog.Money `json:"due_at_hospital"`
	// PackageCurrency is the one in which the prices were set.
	PackageCurrency string `json:"package_currency"`
	// Rate says "1 CNY = 0.1405 USD", RateDate of when (YYYY-MM-DD); both are
	// empty where nothing was converted.
	Rate     string         `json:"rate,omitempty"`
	RateDate string         `json:"rate_date,omitempty"`
	Policy   catalog.Policy `json:"policy"`
	// AnswerHours is how long the hospital has to accept or decline.
	AnswerHours int `json:"answer_hours"`
	// Demo marks prices that are made up.
	Demo      bool      `json:"demo,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// QuoteLine is one line of a quote.
type QuoteLine struct {
	ID       string        `json:"id"`
	Label    catalog.Text  `json:"label"`
	Payee    catalog.Payee `json:"payee"`
	Due      catalog.Due   `json:"due"`
	Quantity int           `json:"quantity"`
	// Unit is the price of one and Original that of all, in the package's
	// currency; nil where the hospital bills it and no price is known.
	Unit     *catalog.Money `json:"unit,omitempty"`
	Original *catalog.Money `json:"original,omitempty"`
	// Amount is Original in the currency of the quote.
	Amount *catalog.Money `json:"amount,omitempty"`
}

// keepQuotes is how long a quote is kept after it has expired. A booking has
// its own copy.
const keepQuotes = 7 * 24 * time.Hour

var quotesDef = store.Def[Quote]{
	Name:    "checkout_quotes",
	Indexes: []store.Index{{Name: "expires"}},
	Keys:    func(q Quote) map[string]string { return map[string]string{"expires": store.TimeKey(q.ExpiresAt)} },
}

// offer is everything of the catalogue that a price follows from.
type offer struct {
	pkg       catalog.Package
	start     catalog.Start
	hospitals []string
	treats    []string
	class     catalog.BookingClass
	// answerHours of the slowest hospital.
	answerHours int
}

// Price prices a choice without storing anything. Errors: NotFound for an
// unknown package, Forbidden for a treatment that is not sold, Invalid with
// fields.
func (s *Service) Price(ctx context.Context, c Choice) (Quote, error) {
	pkg, err := s.catalog.Packages.Get(ctx, c.PackageID)
	if err != nil {
		return Quote{}, err
	}
	starts, err := s.starts(ctx, c.PackageID)
	if err != nil {
		return Quote{}, err
	}
	var start catalog.Start
	if i := slices.IndexFunc(starts, func(st catalog.Start) bool { return st.Key == c.StartKey }); i >= 0 {
		start = starts[i]
	}
	return s.PriceOf(ctx, pkg, start, c)
}

// PriceOf prices a choice of a package as it is given, published or not, on a
// start that need not exist: for those who build it. Errors: those of Price.
func (s *Service) PriceOf(ctx context.Context, pkg catalog.Package, start catalog.Start, c Choice) (Quote, error) {
	o := offer{pkg: pkg, start: start}
	if err := s.medical(ctx, &o); err != nil {
		return Quote{}, err
	}
	if err := sellable(o.class); err != nil {
		return Quote{}, err
	}
	q, err := price(o, c, s.cfg.Rates)
	q.CreatedAt = s.now()
	return q, err
}

// Quote prices a choice and stores the result under an id that nobody can
// guess. Errors: those of Price.
func (s *Service) Quote(ctx context.Context, c Choice) (Quote, error) {
	q, err := s.Price(ctx, c)
	if err != nil {
		return Quote{}, err
	}
	q.ID, q.ExpiresAt = newID(), q.CreatedAt.Add(s.cfg.QuoteFor)
	return q, s.quotes.Insert(ctx, q.ID, q)
}

// GetQuote returns a stored quote. Errors: Gone when it has expired, NotFound.
func (s *Service) GetQuote(ctx context.Context, id string) (Quote, error) {
	unknown := fault.New(fault.NotFound, "There is no such quote.").WithCode("quote_unknown")
	if !validID(id) {
		return Quote{}, unknown
	}
	rec, err := s.quotes.Get(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return Quote{}, unknown
	case err != nil:
		return Quote{}, err
	case !s.now().Before(rec.Value.ExpiresAt):
		return rec.Value, fault.New(fault.Gone,
			"This quote has expired. Choose the package and the date again to see today's price.").WithCode("quote_expired")
	}
	return rec.Value, nil
}

// sellable refuses a treatment that may not take a deposit.
func sellable(class catalog.BookingClass) error {
	if class.Sellable() {
		return nil
	}
	return fault.New(fault.Forbidden,
		"This treatment cannot be booked here. Send an enquiry to the hospital instead.").WithCode("not_sellable")
}

// medical looks up the treatments and hospitals of a package as they are now.
func (s *Service) medical(ctx context.Context, o *offer) error {
	for _, id := range o.pkg.OfferingIDs {
		off, err := s.catalog.Offerings.Get(ctx, id)
		if err != nil {
			return err
		}
		t, err := s.catalog.Treatments.Get(ctx, off.TreatmentID)
		if err != nil {
			return err
		}
		h, err := s.catalog.Hospitals.Get(ctx, off.HospitalID)
		if err != nil {
			return err
		}
		hours := h.AnswerHours
		if hours == 0 {
			hours = catalog.DefaultAnswerHours
		}
		o.answerHours = max(o.answerHours, hours)
		o.class = stricter(o.class, t.BookingClass)
		o.treats = addOnce(o.treats, t.ID)
		o.hospitals = addOnce(o.hospitals, h.ID)
	}
	return nil
}

// strictness orders the booking classes; what is not known is strictest.
var strictness = map[catalog.BookingClass]int{
	"": 0, catalog.Instant: 1, catalog.OnAcceptance: 2, catalog.NeedsApproval: 4, catalog.EnquiryOnly: 5,
}

func stricter(a, b catalog.BookingClass) catalog.BookingClass {
	rank := func(c catalog.BookingClass) int {
		if n, ok := strictness[c]; ok {
			return n
		}
		return len(strictness) + 1
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func addOnce(list []string, id string) []string {
	if slices.Contains(list, id) {
		return list
	}
	return append(list, id)
}

// price turns an offer and a choice into a quote. It is pure.
func price(o offer, c Choice, rates catalog.Rates) (Quote, error) {
	if c.Currency == "" {
		c.Currency = o.pkg.Currency
	}
	room, err := check(o, &c, rates)
	if err != nil {
		return Quote{}, err
	}
	q := Quote{
		Choice: c, PackageName: o.pkg.Name, AgencyID: o.pkg.AgencyID, OfferingIDs: o.pkg.OfferingIDs,
		HospitalIDs: o.hospitals, TreatmentIDs: o.treats, BookingClass: o.class, AnswerHours: o.answerHours,
		Start: o.start.Date, Days: o.pkg.Itinerary.Length(), Nights: max(o.pkg.Itinerary.Length()-1, 0),
		PackageCurrency: o.pkg.Currency, Policy: o.pkg.Policy, Demo: o.pkg.Demo,
	}
	if c.Currency != o.pkg.Currency {
		q.Rate, q.RateDate = rateText(rates, o.pkg.Currency, c.Currency), rates.DateOf(o.pkg.Currency, c.Currency)
	}
	lines := slices.Clone(o.pkg.Lines)
	if room != nil && room.Surcharge.Amount > 0 {
		lines = append(lines, catalog.PriceLine{ID: roomLine, Label: room.Name, Payee: catalog.PayeeHotel,
			Due: catalog.DueOnArrival, Per: catalog.PerBooking, Amount: &room.Surcharge})
	}
	zero := catalog.Money{Currency: c.Currency}
	due := map[catalog.Due]catalog.Money{catalog.DueOnArrival: zero, catalog.DueAtHospital: zero}
	for _, l := range lines {
		line := QuoteLine{ID: l.ID, Label: l.Label, Payee: l.Payee, Due: l.Due, Quantity: 1}
		if l.Per == catalog.PerCompanion {
			line.Quantity = c.Companions
		}
		if line.Quantity == 0 {
			continue
		}
		if l.Amount != nil {
			unit := *l.Amount
			original := catalog.Money{Amount: unit.Amount * int64(line.Quantity), Currency: unit.Currency}
			amount, ok := rates.Convert(original, c.Currency)
			if !ok {
				return Quote{}, unknownCurrency(c.Currency)
			}
			amount = amount.RoundToStep()
			line.Unit, line.Original, line.Amount = &unit, &original, &amount
			due[l.Due] = due[l.Due].Add(amount)
		}
		q.Lines = append(q.Lines, line)
	}
	arrival := due[catalog.DueOnArrival]
	if arrival.Amount <= 0 {
		return Quote{}, fault.New(fault.Forbidden,
			"This package has nothing to take a deposit on and cannot be booked here.").WithCode("no_deposit")
	}
	q.DueAtHospital = due[catalog.DueAtHospital]
	q.Total = arrival.Add(q.DueAtHospital)
	q.Deposit = deposit(arrival, o.pkg.Deposit)
	if err := chargeable(q.Deposit, rates); err != nil {
		return Quote{}, err
	}
	q.DueOnArrival = catalog.Money{Amount: arrival.Amount - q.Deposit.Amount, Currency: c.Currency}
	return q, nil
}

// roomLine is the id of the line of a room's surcharge.
const roomLine = "room-surcharge"

// deposit is the share of what is due on arrival that is paid at booking: at
// least one step of the currency, never more than what is due.
func deposit(arrival catalog.Money, rule catalog.DepositRule) catalog.Money {
	d := arrival.Percent(rule.BasisPoints)
	d.Amount = min(max(d.Amount, catalog.ChargeStep(d.Currency)), arrival.Amount)
	return d
}

// check refuses a choice that the package does not offer and returns the room.
func check(o offer, c *Choice, rates catalog.Rates) (*catalog.Room, error) {
	var f fault.Fields
	if o.start.Key == "" || o.start.Key != c.StartKey {
		f.Add("start_key", "unavailable", "this start date can no longer be booked; choose another")
	}
	if c.Companions < 0 || c.Companions > o.pkg.Options.MaxCompanions {
		f.Add("companions", "range", "between 0 and %d", o.pkg.Options.MaxCompanions)
	}
	var room *catalog.Room
	for i, r := range o.pkg.Options.Rooms {
		if r.ID == c.RoomID || (c.RoomID == "" && i == 0) {
			room = &o.pkg.Options.Rooms[i]
			c.RoomID = r.ID
			break
		}
	}
	if room == nil && c.RoomID != "" {
		f.Add("room_id", "unknown", "the package has no room %q", clip(c.RoomID))
	}
	if c.Interpreter != "" && !slices.Contains(o.pkg.Options.Interpreters, c.Interpreter) {
		f.Add("interpreter", "unknown", "the package has no interpreter for %q", clip(c.Interpreter))
	}
	if c.Currency != o.pkg.Currency && (!slices.Contains(o.pkg.Presentment, c.Currency) ||
		!rates.Has(c.Currency) || !rates.Has(o.pkg.Currency)) {
		f.Add("currency", "unavailable", "this package cannot be paid in %q", clip(c.Currency))
	}
	if len(c.Lang) > maxLang {
		f.Add("lang", "language", "use a BCP 47 language tag such as en or zh-Hans")
	}
	return room, f.Err("Some of the choices are not available.")
}

// maxLang is the greatest length of a BCP 47 tag that any page uses.
const maxLang = 35

func unknownCurrency(code string) error {
	var f fault.Fields
	f.Add("currency", "unavailable", "there is no exchange rate for %q", clip(code))
	return f.Err("Some of the choices are not available.")
}

// rateText says what one unit of a currency is worth in another, to six
// significant digits.
func rateText(r catalog.Rates, from, to string) string {
	perBase := func(code string) *big.Rat {
		if q, ok := new(big.Rat).SetString(r.Rates[code].PerBase); ok && code != r.Base {
			return q
		}
		return big.NewRat(1, 1)
	}
	q := new(big.Rat).Quo(perBase(to), perBase(from))
	return "1 " + from + " = " + new(big.Float).SetPrec(200).SetRat(q).Text('g', 6) + " " + to
}

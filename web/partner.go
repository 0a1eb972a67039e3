package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// partnerAPI is the front of the paths that programs of partners call, with a
// key instead of a session.
const partnerAPI = "/api/v1/partner/"

// partner is an organisation whose program calls.
type partner struct {
	account.Key
	Org catalog.Organisation
}

// author is the name under which the trail and histories know the key.
func (k partner) author() string { return "key " + k.Name + " (" + k.ID + ")" }

// partnerKind is a kind of entry that partners keep by the API.
type partnerKind[T catalog.Entity] struct {
	// plural stands in the path.
	plural string
	kind   catalog.OrganisationKind
	repo   *catalog.Repo[T]
	// id is where an entry keeps its id, owner the id that says whose it is.
	id, owner func(*T) *string
	// ownerField is the name of the owner's field.
	ownerField string
	// owned returns what the owner's field has to be for an organisation,
	// given what was sent. Errors: Invalid, NotFound.
	owned func(ctx context.Context, org catalog.Organisation, sent string) (string, error)
	// direct entries are shown at once: they need no look of the operator.
	direct bool
}

func (s *Server) partnerRoutes() {
	partnerEntries(s, partnerKind[catalog.Offering]{plural: "offerings", kind: catalog.HospitalDepartment, repo: s.Catalog.Offerings,
		id: func(o *catalog.Offering) *string { return &o.ID }, owner: func(o *catalog.Offering) *string { return &o.HospitalID }, ownerField: "hospital_id",
		owned: func(_ context.Context, org catalog.Organisation, _ string) (string, error) {
			return org.HospitalID, nil
		}})
	partnerEntries(s, partnerKind[catalog.Package]{plural: "packages", kind: catalog.Agency, repo: s.Catalog.Packages,
		id: func(p *catalog.Package) *string { return &p.ID }, owner: func(p *catalog.Package) *string { return &p.AgencyID }, ownerField: "agency_id",
		owned: func(_ context.Context, org catalog.Organisation, _ string) (string, error) { return org.ID, nil }})
	partnerEntries(s, partnerKind[catalog.Departure]{plural: "departures", kind: catalog.Agency, repo: s.Catalog.Departures, direct: true,
		id: func(d *catalog.Departure) *string { return &d.ID }, owner: func(d *catalog.Departure) *string { return &d.PackageID }, ownerField: "package_id",
		owned: s.ownPackageID})
}

// ownPackageID returns a package's id where the package is an organisation's.
func (s *Server) ownPackageID(ctx context.Context, org catalog.Organisation, id string) (string, error) {
	if id == "" {
		var f fault.Fields
		f.Add("package_id", "required", "name the package")
		return "", f.Err("it is not said which package this is about")
	}
	_, err := own(ctx, s.Catalog.Packages, actor{Org: org}, id)
	return id, err
}

func partnerEntries[T catalog.Entity](s *Server, k partnerKind[T]) {
	all, one := partnerAPI+k.plural, partnerAPI+k.plural+"/:id"
	call := func(o operation, h func(echo.Context, partner) error) { s.partnerRoute(o, k.kind, h) }
	listed := []any{pageParams{}}
	if k.direct {
		listed = append(listed, ofPackage{})
	}
	call(operation{Method: http.MethodGet, Path: all, Summary: "Your " + k.plural + ", those changed last first", Scope: account.ReadListings, In: listed, Out: partnerList[T]{}}, k.list)
	call(operation{Method: http.MethodGet, Path: one, Summary: "One of your " + k.plural, Scope: account.ReadListings, In: []any{idParam{}}, Out: partnerEntry[T]{}}, k.get)
	call(operation{Method: http.MethodPut, Path: one, Summary: "Make or change one of your " + k.plural, Scope: account.WriteListings,
		In: []any{idParam{}, saveParams{}, *new(T)}, Out: partnerEntry[T]{}, Made: true}, func(c echo.Context, by partner) error { return k.put(s, c, by) })
	if !k.direct {
		call(operation{Method: http.MethodPost, Path: one + "/submit", Summary: "Submit a draft to the operator", Scope: account.WriteListings,
			In: []any{idParam{}, submitParams{}}, Out: partnerEntry[T]{}}, func(c echo.Context, by partner) error { return k.submit(s, c, by) })
	}
}

// partnerRoute adds a call of the API of partners: only keys with the scope,
// of organisations of the kind, reach it.
func (s *Server) partnerRoute(o operation, kind catalog.OrganisationKind, h func(echo.Context, partner) error) {
	s.operation(o, func(c echo.Context) error {
		by, err := s.partner(c)
		switch {
		case fault.Is(err, fault.Unauthorized):
			c.Response().Header().Set("WWW-Authenticate", `Bearer realm="medtour"`)
			return err
		case err != nil:
			return err
		case !by.May(o.Scope):
			return fault.New(fault.Forbidden, "this key has not the scope %s", o.Scope)
		case by.Org.OrganisationKind != kind:
			return fault.New(fault.Forbidden, "this is for organisations of the kind %s", kind)
		}
		return h(c, by)
	}, s.private)
}

// partner returns who calls. Errors: Unauthorized, Forbidden, TooMany.
func (s *Server) partner(c echo.Context) (partner, error) {
	ctx, r := c.Request().Context(), c.Request()
	scheme, secret, _ := strings.Cut(r.Header.Get(echo.HeaderAuthorization), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return partner{}, fault.New(fault.Unauthorized, "send a key as Authorization: Bearer mt_…")
	}
	key, err := s.Accounts.Key(ctx, strings.TrimSpace(secret), clientKey(r))
	if err != nil {
		return partner{}, err
	}
	org, err := s.Catalog.Organisations.Get(ctx, key.Organisation)
	if fault.Is(err, fault.NotFound) {
		err = fault.Wrap(fault.Forbidden, err, "this organisation is suspended; write to the operator")
	}
	return partner{key, org}, err
}

// partnerEntry is an entry as its owner sees it by the API.
type partnerEntry[T catalog.Entity] struct {
	State catalog.State `json:"state"`
	// Revision is the number that If-Match names.
	Revision int `json:"revision"`
	// ShownRevision is what patients see, left out where they see nothing.
	ShownRevision int       `json:"shown_revision,omitempty"`
	ChangedAt     time.Time `json:"changed_at"`
	ChangedBy     string    `json:"changed_by"`
	// Reason of the last change, such as why the operator sent it back.
	Reason string `json:"reason,omitempty"`
	Entry  T      `json:"entry"`
}

func partnerEntryOf[T catalog.Entity](l catalog.Listing[T]) partnerEntry[T] {
	return partnerEntry[T]{l.State, l.Revision, l.ShownRevision, l.At, l.Author, l.Reason, l.Value}
}

// partnerList is a page of entries, those changed last first.
type partnerList[T catalog.Entity] struct {
	Items []partnerEntry[T] `json:"items"`
	// Next is the parameter after of the next page, left out at the end.
	Next string `json:"next,omitempty"`
}

// maxPartnerPage is the greatest number of entries of a page.
const maxPartnerPage = 100

func (k partnerKind[T]) list(c echo.Context, by partner) error {
	ctx := c.Request().Context()
	limit := maxPartnerPage
	if typed := c.QueryParam("limit"); typed != "" {
		n, err := strconv.Atoi(typed)
		if err != nil || n < 1 || n > maxPartnerPage {
			var f fault.Fields
			f.Add("limit", "range", "a number from 1 to %d", maxPartnerPage)
			return f.Err("the list cannot be shown as asked")
		}
		limit = n
	}
	owner, err := k.owned(ctx, by.Org, c.QueryParam(k.ownerField))
	if err != nil {
		return err
	}
	page, err := k.repo.Listings(ctx, catalog.ListingFilter{Owner: owner}, limit, c.QueryParam("after"))
	if err != nil {
		return err
	}
	out := partnerList[T]{Items: make([]partnerEntry[T], 0, len(page.Items)), Next: page.Next}
	for _, rec := range page.Items {
		out.Items = append(out.Items, partnerEntryOf(rec.Value))
	}
	return c.JSON(http.StatusOK, out)
}

// own returns an entry of the organisation; those of others are not there.
func (k partnerKind[T]) own(ctx context.Context, by partner, id string) (catalog.Listing[T], error) {
	l, err := k.repo.Listing(ctx, id)
	if err == nil {
		var owner string
		if owner, err = k.owned(ctx, by.Org, *k.owner(&l.Value)); err == nil && owner == *k.owner(&l.Value) {
			return l, nil
		}
	}
	if err == nil || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		err = fault.Wrap(fault.NotFound, err, "there is nothing of yours under this id")
	}
	return catalog.Listing[T]{}, err
}

func (k partnerKind[T]) get(c echo.Context, by partner) error {
	l, err := k.own(c.Request().Context(), by, c.Param("id"))
	if err != nil {
		return err
	}
	return answerEntry(c, http.StatusOK, l)
}

func answerEntry[T catalog.Entity](c echo.Context, status int, l catalog.Listing[T]) error {
	c.Response().Header().Set("ETag", etag(l.Revision))
	return c.JSON(status, partnerEntryOf(l))
}

func etag(revision int) string { return `"` + strconv.Itoa(revision) + `"` }

// errPrecondition is a change that does not fit the revision that is there.
type errPrecondition struct {
	status  int
	message string
}

func (e errPrecondition) Error() string { return e.message }

// overtaken says that somebody else was first.
func overtaken(latest int) error {
	return errPrecondition{http.StatusPreconditionFailed, "the entry has changed since you read it: its revision is " + etag(latest) + "; read it again"}
}

// precondition returns the revision that a change is over, 0 for an entry that
// is to be made. Without a condition nothing is changed: two programs would
// overwrite each other silently.
func precondition(h http.Header) (over int, err error) {
	match, none := h.Get("If-Match"), h.Get("If-None-Match")
	switch n, err := strconv.Atoi(strings.Trim(match, `"`)); {
	case match == "" && none == "*":
		return 0, nil
	case match != "" && none == "" && err == nil && n > 0 && etag(n) == match:
		return n, nil
	}
	return 0, errPrecondition{http.StatusPreconditionRequired, `send If-Match with the ETag that you read, such as "3", or If-None-Match: * for a new entry`}
}

// preconditions answers a change that does not fit with JSON of its own status.
func preconditions(c echo.Context, err error) error {
	var p errPrecondition
	if !errors.As(err, &p) {
		return err
	}
	return c.JSON(p.status, apiError{Error: apiErrorBody{Kind: fault.Conflict, Message: p.message, RequestID: requestID(c)}})
}

func (k partnerKind[T]) put(s *Server, c echo.Context, by partner) error {
	over, err := precondition(c.Request().Header)
	if err != nil {
		return preconditions(c, err)
	}
	ctx, id := c.Request().Context(), c.Param("id")
	v, err := k.read(c, by)
	if err != nil {
		return err
	}
	before, err := k.repo.Listing(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound) && over > 0:
		return fault.Wrap(fault.NotFound, err, "there is nothing of yours under this id")
	case err != nil && !fault.Is(err, fault.NotFound):
		return err
	case err == nil && over == 0:
		return preconditions(c, errPrecondition{http.StatusPreconditionFailed, "this id is taken; choose another, or send If-Match to change an entry of yours"})
	case over > 0:
		if before, err = k.own(ctx, by, id); err != nil {
			return err
		}
		if k.direct && *k.owner(&before.Value) != *k.owner(&v) {
			var f fault.Fields
			f.Add(k.ownerField, "fixed", "it stays %s; make a new entry for another", *k.owner(&before.Value))
			return f.Err("the entry cannot be moved")
		}
	}
	edit, save := catalog.Edit{Author: by.author(), Over: &over}, k.repo.Save
	if k.direct {
		save = k.repo.Publish
	}
	wrote, err := save(ctx, v, edit)
	if err == nil && wrote {
		err = s.notePartner(c, by, ".save", v)
	}
	return k.changed(c, id, before.Revision, err)
}

// read reads an entry out of a request and makes it the organisation's.
func (k partnerKind[T]) read(c echo.Context, by partner) (T, error) {
	var v T
	body, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return v, err
	}
	if v, err = catalog.Decode[T](body); err != nil {
		return v, err
	}
	var f fault.Fields
	if id := k.id(&v); *id == "" {
		*id = c.Param("id")
	} else if *id != c.Param("id") {
		f.Add("id", "fixed", "it is not the id of the address")
	}
	owner, err := k.owned(c.Request().Context(), by.Org, *k.owner(&v))
	if fault.Is(err, fault.NotFound) {
		f.Add(k.ownerField, "reference", "there is nothing of yours under this id")
	} else if err != nil {
		return v, err
	}
	if *k.owner(&v) == "" {
		*k.owner(&v) = owner
	} else if *k.owner(&v) != owner && err == nil {
		f.Add(k.ownerField, "fixed", "it can only be %s", owner)
	}
	return v, f.Err("this is not an entry of yours")
}

// changed answers with an entry as it is after a change.
func (k partnerKind[T]) changed(c echo.Context, id string, before int, err error) error {
	l, readErr := k.repo.Listing(c.Request().Context(), id)
	switch {
	case changed(err) && readErr == nil:
		return preconditions(c, overtaken(l.Revision))
	case err != nil:
		return err
	case readErr != nil:
		return readErr
	case before == 0:
		return answerEntry(c, http.StatusCreated, l)
	}
	return answerEntry(c, http.StatusOK, l)
}

func (k partnerKind[T]) submit(s *Server, c echo.Context, by partner) error {
	over, err := precondition(c.Request().Header)
	if err == nil && over == 0 {
		err = errPrecondition{http.StatusPreconditionRequired, "send If-Match with the ETag of the draft"}
	}
	if err != nil {
		return preconditions(c, err)
	}
	ctx := c.Request().Context()
	l, err := k.own(ctx, by, c.Param("id"))
	if err != nil {
		return err
	}
	if l.Revision == over && !l.State.MayFollow(catalog.Submitted) {
		return fault.New(fault.Conflict, "what is %s cannot be submitted; change it first", l.State)
	}
	err = k.repo.Move(ctx, l.Value.EntityID(), catalog.Submitted, catalog.Edit{Author: by.author(), Over: &over})
	if err == nil {
		err = s.notePartner(c, by, ".submit", l.Value)
	}
	if l.Revision != over && fault.Is(err, fault.Invalid) {
		err = overtaken(l.Revision)
		return preconditions(c, err)
	}
	return k.changed(c, l.Value.EntityID(), l.Revision, err)
}

// notePartner adds a line to the audit trail about what a program did.
func (s *Server) notePartner(c echo.Context, by partner, act string, v catalog.Entity) error {
	return s.Audit.Note(c.Request().Context(), account.Audited{Actor: by.author(), Organisation: by.Organisation, Action: string(v.EntityKind()) + act,
		Thing: thing(v), Request: requestID(c)})
}

const keysPath = "/console/keys"

func (s *Server) keyRoutes() {
	kinds := []catalog.OrganisationKind{catalog.HospitalDepartment, catalog.Agency}
	s.consoleRoute(http.MethodGet, keysPath, account.ManageKeys, s.showKeys, kinds...)
	s.consoleRoute(http.MethodPost, keysPath, account.ManageKeys, s.makeKey, kinds...)
	s.consoleRoute(http.MethodPost, keysPath+"/revoke", account.ManageKeys, s.revokeKey, kinds...)
}

func (s *Server) showKeys(c echo.Context, a actor) error {
	return s.keysPage(c, a, http.StatusOK, templates.KeysView{Name: "", Days: account.KeyDays[1], Scopes: []account.Scope{account.ReadListings}})
}

// keysPage shows the keys of an organisation, with a new one as it was typed.
func (s *Server) keysPage(c echo.Context, a actor, status int, v templates.KeysView) error {
	p, frame := s.consolePage(c, a, "")
	p.Title, p.Path = p.T("console.partner.keys"), keysPath
	if c.QueryParam("done") == "revoke" {
		frame.Done = p.T("console.partner.revoked_now")
	}
	var err error
	if v.Keys, err = s.Accounts.Keys(c.Request().Context(), a.Org.ID); err != nil {
		return err
	}
	v.Now = s.Now()
	return s.render(c, status, templates.Keys(p, frame, v))
}

// makeKey makes a key and shows its secret, this once.
func (s *Server) makeKey(c echo.Context, a actor) error {
	values, err := c.FormParams()
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The form cannot be read. Please send it again.")
	}
	v := templates.KeysView{Name: values.Get("name")}
	v.Days, _ = strconv.Atoi(values.Get("days")) // 0 is refused beside the field
	for _, scope := range values["scope"] {
		v.Scopes = append(v.Scopes, account.Scope(scope))
	}
	key, secret, err := s.Accounts.NewKey(c.Request().Context(), a.Org.ID, a.Email, v.Name, v.Scopes, v.Days)
	if fields, ok := faultFields(err); ok {
		p := s.page(c)
		for _, f := range fields {
			v.Errors = append(v.Errors, templates.FormError{Field: f.Name, Message: p.T("console.partner.error." + f.Code)})
		}
		return s.keysPage(c, a, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "key.make", Thing: "key/" + key.ID, Detail: key.Name}); err != nil {
		return err
	}
	return s.keysPage(c, a, http.StatusOK, templates.KeysView{Secret: secret, Days: account.KeyDays[1]})
}

func (s *Server) revokeKey(c echo.Context, a actor) error {
	key, err := s.Accounts.RevokeKey(c.Request().Context(), a.Org.ID, c.FormValue("key"))
	if err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "key.revoke", Thing: "key/" + key.ID, Detail: key.Name}); err != nil {
		return err
	}
	return s.redirect(c, keysPath+"?done=revoke")
}

package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
)

func TestAuditPages(t *testing.T) {
	s := newTestServer(t)
	s.newOrganisation(t, "audited", catalog.Agency)
	s.newOrganisation(t, "audit-operator", catalog.Operator)
	for _, l := range []account.Audited{
		{Actor: "a@audited.example", Organisation: "audited", Action: "package.save", Thing: "package/audited-package", Reason: "=1+1"},
		{Actor: "b@audited.example", Organisation: "audited", Action: "member.role", Thing: "member/x@audited.example"},
		{Actor: "op@audit-operator.example", Organisation: "audit-operator", Owner: "audited", Action: "package.return", Thing: "package/audited-package"},
		{Actor: "b@audited.example", Organisation: "other-audited", Action: "package.save", Thing: "package/of-others"},
	} {
		if err := s.Audit.Note(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	owner, operator := s.as(t, "owner@audited.example"), s.as(t, "finance@audit-operator.example")
	today, before := s.Now().In(catalog.Shanghai).Format(time.DateOnly), s.Now().AddDate(0, 0, -3).Format(time.DateOnly)
	for _, c := range []struct {
		cookie string
		query  url.Values
		want   []string
	}{
		{owner, nil, []string{"package.return", "member.role", "package.save"}},
		{owner, url.Values{"actor": {" B@audited.example"}}, []string{"member.role"}},
		{owner, url.Values{"thing": {"package/audited-package"}, "actor": {"a@audited.example"}}, []string{"package.save"}},
		{owner, url.Values{"owner": {"other-audited"}, "thing": {"package/of-others"}}, nil},
		{owner, url.Values{"to": {before}}, nil},
		{owner, url.Values{"from": {today}, "to": {today}}, []string{"package.return", "member.role", "package.save"}},
		{operator, url.Values{"owner": {"audited"}}, []string{"package.return", "member.role", "package.save"}},
		{operator, url.Values{"actor": {"b@audited.example"}}, []string{"package.save", "member.role"}},
	} {
		doc := s.page(t, "/console/audit?"+c.query.Encode(), "Cookie", c.cookie)
		var got []string
		for _, row := range doc.Find("table.list tbody tr").EachIter() {
			got = append(got, text(row.Find("td").First()))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.query, got, c.want)
		}
		csv := s.get(t, "/console/audit?format=csv&"+c.query.Encode(), "Cookie", c.cookie)
		if n := strings.Count(csv.Body, "\n") - 1; csv.StatusCode != http.StatusOK || n != len(c.want) || strings.Contains(csv.Body, ",=1+1") {
			t.Errorf("%v: the file has %d lines, status %d", c.query, n, csv.StatusCode)
		}
	}
	links := func(cookie string) (out []string) {
		for _, a := range s.page(t, "/console/audit?thing=package%2Faudited-package", "Cookie", cookie).Find("table.list th a").EachIter() {
			out = append(out, a.AttrOr("href", ""))
		}
		return slices.Compact(out)
	}
	if got := links(owner); !slices.Equal(got, []string{"/console/packages/audited-package"}) {
		t.Errorf("the agency's links are %v", got)
	}
	if got := links(operator); !slices.Equal(got, []string{"/console/listings/package/audited-package"}) {
		t.Errorf("the operator's links are %v", got)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		route, path string
		want        bool
	}{
		{"/console/packages/:id", "/console/packages/x", true},
		{"/console/packages/:id", "/console/packages", false},
		{"/console/packages/:id", "/console/offerings/x", false},
		{"/console/listings/:kind/:id", "/console/listings/package/x", true},
		{"/console/members", "/console/members", true},
	} {
		if got := matches(c.route, c.path); got != c.want {
			t.Errorf("%s, %s: %v", c.route, c.path, got)
		}
	}
}

// A booking that was made before signing in joins the account of its address,
// however that was written.
func TestBookingJoinsTheAccount(t *testing.T) {
	s := newTestServer(t)
	start := s.openStart(t, "tuina-warm-hands-slow-days", 6)
	typed := url.Values{}
	for name, values := range person {
		typed[name] = values
	}
	typed.Set("email", "Mixed.Case@Joins.Example.ORG")
	quote := s.quote(t, "en", "tuina-warm-hands-slow-days", url.Values{"start": {start.Key}})
	booking := s.sent(t, s.get(t, s.pay(t, s.sent(t, s.post(t, quote+"/book", typed)))))
	for i, email := range []string{"mixed.case@joins.example.org", "MIXED.CASE@JOINS.EXAMPLE.ORG"} {
		doc := s.page(t, "/account", "Cookie", s.signedIn(t, email, "198.51.113.1"))
		if n := doc.Find(`main a[href="` + booking + `"]`).Length(); n != 1 {
			t.Errorf("sign-in %d: the booking is listed %d times", i, n)
		}
	}
}

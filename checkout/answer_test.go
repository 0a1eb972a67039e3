package checkout_test

import (
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/storetest"
)

// reminded lists to whom reminders of a booking went.
func reminded(got checkout.Booking) []string {
	var out []string
	for _, e := range got.Timeline {
		if e.Kind == checkout.EntryReminded {
			out = append(out, e.To)
		}
	}
	return out
}

func TestAskAndReply(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		got := b.paid(choice(catalog.OnAcceptance))
		b.clock.Advance(47 * time.Hour)
		var err error
		for range 2 { // a double click asks once
			if got, err = b.Ask(ctx, got.ID, "Which lenses do you wear?", by); err != nil {
				t.Fatal(err)
			}
		}
		reply := b.clock.Now().Add(7 * 24 * time.Hour)
		if got.Question == nil || !got.Question.ReplyBy.Equal(reply) || !got.AnswerBy.Equal(reply.Add(48*time.Hour)) {
			t.Fatalf("%+v, answer by %s", got.Question, got.AnswerBy)
		}
		page, err := b.Bookings(ctx, checkout.Filter{State: checkout.StateAwaiting}, 0, "")
		if err != nil || len(page.Items) != 1 || !page.Items[0].ReplyBy.Equal(reply) {
			t.Errorf("the list shows %+v, %v", page.Items, err)
		}
		if _, err := b.Ask(ctx, got.ID, "And since when?", by); code(err) != "question_open" {
			t.Errorf("a second question: %v", err)
		}
		b.clock.Advance(6 * 24 * time.Hour) // the hospital's own time would have been over
		b.due()
		b.is(got.ID, checkout.StateAwaiting, deposit)
		for range 2 {
			if got, err = b.Reply(ctx, got.ID, "Soft ones.", by); err != nil {
				t.Fatal(err)
			}
		}
		if got.Question != nil || !got.AnswerBy.Equal(b.clock.Now().Add(48*time.Hour)) {
			t.Fatalf("%+v, answer by %s", got.Question, got.AnswerBy)
		}
		if _, err := b.Reply(ctx, got.ID, "Since 2010.", by); code(err) != "no_question" {
			t.Errorf("a reply to nothing: %v", err)
		}
		b.clock.Advance(48 * time.Hour)
		b.due()
		if got = b.is(got.ID, checkout.StateDeclined, 0); got.Reason != checkout.ReasonSilence {
			t.Errorf("declined for %q", got.Reason)
		}
	})
}

func TestNoReplyEndsIncomplete(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(choice(catalog.OnAcceptance))
	if _, err := b.Ask(ctx, got.ID, "Which lenses do you wear?", by); err != nil {
		t.Fatal(err)
	}
	for range 7 {
		b.clock.Advance(24*time.Hour - time.Second)
		b.due()
	}
	b.is(got.ID, checkout.StateAwaiting, deposit)
	b.clock.Advance(7 * time.Second)
	if _, err := b.Reply(ctx, got.ID, "Soft ones.", by); code(err) != "reply_late" {
		t.Errorf("a late reply: %v", err)
	}
	b.due()
	if got = b.is(got.ID, checkout.StateDeclined, 0); got.Reason != checkout.ReasonIncomplete {
		t.Errorf("declined for %q", got.Reason)
	}
	if to := reminded(got); len(to) != 2 || to[0] != checkout.ToPatient || to[1] != checkout.ToPatient {
		t.Errorf("reminded %v", to)
	}
}

func TestRemindersToTheHospital(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	prompt, slow := b.paid(choice(catalog.OnAcceptance)), b.paid(choice(catalog.OnAcceptance))
	for i, want := range []int{0, 1, 1, 2, 2} { // after 12, 24, 30, 36, 42 of 48 hours
		b.clock.Advance([]time.Duration{12, 12, 6, 6, 6}[i] * time.Hour)
		b.due()
		b.due()
		got, err := b.Booking(ctx, prompt.ID)
		if err != nil {
			t.Fatal(err)
		}
		if to := reminded(got); len(to) != want || want > 0 && to[want-1] != checkout.ToHospital {
			t.Errorf("step %d: reminded %v, want %d\n%s", i, to, want, timeline(got))
		}
	}
	if _, err := b.Accept(ctx, slow.ID, by); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(48 * time.Hour)
	b.due()
	b.is(slow.ID, checkout.StateConfirmed, deposit)
	b.is(prompt.ID, checkout.StateDeclined, 0)

	// The worker was away at half time: one reminder is enough.
	late := b.paid(wide(catalog.OnAcceptance))
	b.clock.Advance(37 * time.Hour)
	b.due()
	if got := b.is(late.ID, checkout.StateAwaiting, deposit); len(reminded(got)) != 1 {
		t.Errorf("reminded %v", reminded(got))
	}
}

func TestAskRefuses(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	holding, instant := b.book(choice(catalog.OnAcceptance)), b.paid(choice(catalog.Instant))
	for _, id := range []string{holding.ID, instant.ID} {
		if _, err := b.Ask(ctx, id, "What?", by); code(err) != "not_waiting" {
			t.Errorf("%v", err)
		}
	}
	if _, err := b.Ask(ctx, holding.ID, "", by); !fault.Is(err, fault.Invalid) {
		t.Errorf("nothing asked: %v", err)
	}
	got := b.paid(choice(catalog.OnAcceptance))
	for i := range 5 {
		if _, err := b.Ask(ctx, got.ID, string(rune('a'+i)), by); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Reply(ctx, got.ID, string(rune('a'+i)), by); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Ask(ctx, got.ID, "f", by); code(err) != "too_many_questions" {
		t.Errorf("a sixth question: %v", err)
	}
	if got, err := b.Accept(ctx, got.ID, by); err != nil || got.State != checkout.StateConfirmed {
		t.Errorf("%s, %v", got.State, err)
	}
}

func TestRevisedPlanOpensAFreeExit(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		p := pkg("on-acceptance")
		p.Policy.RevisedPlanBasisPoints = 1000
		if _, err := b.catalog.Packages.Publish(ctx, p, catalog.Edit{Author: "test", Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		got := b.paid(choice(catalog.OnAcceptance))
		estimate := func(yuan int64, days int) error {
			var err error
			got, err = b.Estimate(ctx, got.ID, catalog.MainUnits(yuan, "CNY"), b.clock.Now().AddDate(0, 0, days), by)
			return err
		}
		for _, yuan := range []int64{90_000, 100_000} { // the hospital corrects itself before it accepts
			if err := estimate(yuan, 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Accept(ctx, got.ID, by); err != nil {
			t.Fatal(err)
		}
		if err := estimate(110_000, 0); err != nil || !got.FreeExitUntil.IsZero() { // exactly what was agreed
			t.Fatalf("exit until %s, %v", got.FreeExitUntil, err)
		}
		if _, err := b.CancelPreview(ctx, got.ID, checkout.CauseRevisedPlan); code(err) != "no_free_exit" {
			t.Fatalf("left for nothing: %v", err)
		}
		if err := estimate(110_001, 2); !fault.Is(err, fault.Invalid) {
			t.Fatalf("two days to leave: %v", err)
		}
		if err := estimate(110_001, 10); err != nil || !got.FreeExitUntil.Equal(b.clock.Now().AddDate(0, 0, 10)) {
			t.Fatalf("exit until %s, %v", got.FreeExitUntil, err)
		}
		b.clock.Advance(5 * 24 * time.Hour)
		if err := estimate(100_000, 0); err != nil || got.FreeExitUntil.IsZero() { // what was promised stays
			t.Fatalf("exit until %s, %v", got.FreeExitUntil, err)
		}
		b.clock.Advance(5*24*time.Hour - time.Second)
		preview, err := b.CancelPreview(ctx, got.ID, checkout.CauseRevisedPlan)
		if err != nil || preview.Refund.Amount != deposit || preview.Kept.Amount != 0 {
			t.Fatalf("%+v, %v", preview, err)
		}
		b.clock.Advance(time.Second)
		if _, err := b.Cancel(ctx, got.ID, checkout.CauseRevisedPlan, preview.Refund, by); code(err) != "no_free_exit" {
			t.Fatalf("left too late: %v", err)
		}
		if err := estimate(200_000, 80); err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(75 * 24 * time.Hour) // when a change of mind pays back half
		if plain, err := b.CancelPreview(ctx, got.ID, ""); err != nil || plain.Kept.Amount == 0 {
			t.Fatalf("%+v, %v", plain, err)
		}
		if _, err := b.Cancel(ctx, got.ID, checkout.CauseRevisedPlan, preview.Refund, by); err != nil {
			t.Fatal(err)
		}
		b.is(got.ID, checkout.StateCancelled, 0)
		if err := estimate(300_000, 80); code(err) != "not_open" {
			t.Errorf("an estimate for what has ended: %v", err)
		}
	})
}

func TestEstimateRefuses(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(choice(catalog.Instant))
	for _, m := range []catalog.Money{{}, {Amount: -1, Currency: "CNY"}, {Amount: 1 << 62, Currency: "CNY"}, {Amount: 5, Currency: "yuan"}} {
		if _, err := b.Estimate(ctx, got.ID, m, time.Time{}, by); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if _, err := b.Estimate(ctx, got.ID, catalog.MainUnits(5, "CNY"), time.Time{}, by); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Estimate(ctx, got.ID, catalog.MainUnits(6, "USD"), time.Time{}, by); !fault.Is(err, fault.Invalid) {
		t.Errorf("another currency: %v", err)
	}
}

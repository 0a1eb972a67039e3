package stripesim

import (
	"encoding/json"
	"strings"
)

// object is a JSON object as Stripe writes it, with ids for the objects it
// refers to.
type object map[string]any

// object renders the object of the payment that has the id, nil when there is
// none.
func (p *payment) object(id string) object {
	switch {
	case id == p.id(prefixSession):
		return p.sessionObject()
	case id == p.id(prefixIntent) && p.Intent != nil:
		return p.intentObject()
	case id == p.id(prefixCharge) && p.Charge != nil:
		return p.chargeObject()
	}
	for _, r := range p.Refunds {
		if r.ID == id {
			return p.refundObject(r)
		}
	}
	for _, d := range p.Disputes {
		if d.ID == id {
			return p.disputeObject(d)
		}
	}
	for _, t := range p.Transactions {
		if t.ID == id {
			return t.object(p.Session.Currency, p.Session.Intent.Description)
		}
	}
	for _, e := range p.Events {
		if e.ID == id {
			return e.object()
		}
	}
	return nil
}

// text is a string, or null where it is empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func metadata(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (p *payment) sessionObject() object {
	s := p.Session
	o := object{
		"id": p.id(prefixSession), "object": "checkout.session", "livemode": false, "mode": "payment",
		"status": s.Status, "payment_status": "unpaid", "url": nil,
		"created": s.Created.Unix(), "expires_at": s.ExpiresAt.Unix(),
		"amount_subtotal": s.Amount, "amount_total": s.Amount, "currency": s.Currency,
		"client_reference_id": text(s.Reference), "metadata": metadata(s.Metadata),
		"customer": nil, "customer_creation": "if_required", "customer_email": text(s.CustomerEmail),
		"customer_details": nil, "payment_intent": nil, "payment_method_types": s.Methods,
		"payment_method_collection": "if_required", "payment_method_options": object{},
		"locale": text(s.Locale), "submit_type": text(s.SubmitType), "ui_mode": "hosted",
		"success_url": s.SuccessURL, "cancel_url": text(s.CancelURL),
		"total_details":  object{"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
		"automatic_tax":  object{"enabled": false, "liability": nil, "status": nil},
		"custom_fields":  []any{},
		"custom_text":    object{"after_submit": nil, "shipping_address": nil, "submit": nil, "terms_of_service_acceptance": nil},
		"invoice":        nil,
		"subscription":   nil,
		"setup_intent":   nil,
		"payment_link":   nil,
		"shipping_cost":  nil,
		"recovered_from": nil, "shipping_options": []any{},
	}
	if s.Status == statusOpen {
		o["url"] = s.URL
	}
	if s.Paid {
		o["payment_status"] = "paid"
	}
	if p.Intent != nil {
		o["payment_intent"] = p.id(prefixIntent)
	}
	if by := p.payer(); s.Status == statusComplete && by != nil {
		o["customer_details"] = object{
			"email": text(by.Email), "name": text(by.Name), "phone": nil, "address": nil,
			"tax_exempt": "none", "tax_ids": []any{},
		}
	}
	return o
}

// payer is who has paid or is about to, nil when nobody.
func (p *payment) payer() *attempt {
	if p.Charge != nil {
		return &p.Charge.By
	}
	return p.Attempt
}

func (p *payment) intentObject() object {
	data := p.Session.Intent
	o := object{
		"id": p.id(prefixIntent), "object": "payment_intent", "livemode": false,
		"amount": p.Session.Amount, "amount_capturable": 0, "amount_received": 0,
		"currency": p.Session.Currency, "status": p.Intent.Status, "created": p.Intent.Created.Unix(),
		"capture_method": "automatic", "confirmation_method": "automatic",
		"client_secret": p.id(prefixIntent) + "_secret_" + p.ID,
		"description":   text(data.Description), "transfer_group": text(data.TransferGroup),
		"metadata": metadata(data.Metadata), "payment_method_types": p.Session.Methods,
		"customer": nil, "latest_charge": nil, "last_payment_error": nil, "next_action": nil,
		"canceled_at": nil, "cancellation_reason": nil, "receipt_email": nil,
	}
	if p.Intent.Status == statusSucceeded {
		o["amount_received"] = p.Session.Amount
	}
	if p.Charge != nil {
		o["latest_charge"] = p.id(prefixCharge)
	}
	if f := p.Intent.Failure; f != nil {
		o["last_payment_error"] = object{
			"type": "card_error", "code": f.Code, "decline_code": text(f.DeclineCode), "message": f.Message,
		}
	}
	return o
}

func (p *payment) chargeObject() object {
	refunded := p.refunded()
	by := p.Charge.By
	o := object{
		"id": p.id(prefixCharge), "object": "charge", "livemode": false,
		"amount": p.Session.Amount, "amount_captured": p.Session.Amount, "amount_refunded": refunded,
		"currency": p.Session.Currency, "created": p.Charge.Created.Unix(),
		"paid": true, "captured": true, "refunded": refunded == p.Session.Amount, "status": statusSucceeded,
		"disputed": len(p.Disputes) > 0, "payment_intent": p.id(prefixIntent), "customer": nil,
		"description": text(p.Session.Intent.Description), "transfer_group": text(p.Session.Intent.TransferGroup),
		"metadata": metadata(p.Session.Intent.Metadata), "balance_transaction": p.Transactions[0].ID,
		"billing_details": object{"address": nil, "email": text(by.Email), "name": text(by.Name), "phone": nil},
		"failure_code":    nil, "failure_message": nil, "receipt_email": nil, "receipt_url": nil,
		"payment_method_details": object{"type": by.Method, by.Method: object{}},
	}
	if by.Method == "card" {
		o["payment_method_details"] = object{"type": "card", "card": object{
			"brand": "visa", "last4": by.Card[len(by.Card)-4:], "exp_month": 12, "exp_year": p.Charge.Created.Year() + 1,
			"country": "US", "funding": "credit", "network": "visa", "checks": nil, "three_d_secure": nil, "wallet": nil,
		}}
	}
	return o
}

func (p *payment) refundObject(r refund) object {
	o := object{
		"id": r.ID, "object": "refund", "amount": r.Amount, "currency": p.Session.Currency,
		"created": r.Created.Unix(), "status": r.Status, "reason": text(r.Reason),
		"metadata": metadata(r.Metadata), "charge": p.id(prefixCharge), "payment_intent": p.id(prefixIntent),
		"balance_transaction": r.Transaction, "receipt_number": nil,
		"source_transfer_reversal": nil, "transfer_reversal": nil,
	}
	if r.FailureReason != "" {
		o["failure_reason"] = r.FailureReason
		o["failure_balance_transaction"] = r.FailedReverse
	}
	return o
}

func (p *payment) disputeObject(d dispute) object {
	transactions := make([]object, 0, len(d.Transactions))
	for _, id := range d.Transactions {
		transactions = append(transactions, p.object(id))
	}
	return object{
		"id": d.ID, "object": "dispute", "livemode": false, "amount": d.Amount, "currency": p.Session.Currency,
		"created": d.Created.Unix(), "status": d.Status, "reason": d.Reason, "metadata": object{},
		"charge": p.id(prefixCharge), "payment_intent": p.id(prefixIntent),
		"is_charge_refundable": false, "balance_transactions": transactions, "evidence": object{},
		"evidence_details": object{
			"due_by": d.Created.AddDate(0, 0, 7).Unix(), "has_evidence": false, "past_due": false, "submission_count": 0,
		},
	}
}

func (t transaction) object(currency, description string) object {
	return object{
		"id": t.ID, "object": "balance_transaction", "type": t.Type, "reporting_category": t.Category,
		"amount": t.Amount, "net": t.Amount, "fee": 0, "fee_details": []any{}, "currency": currency,
		"created": t.Created.Unix(), "available_on": t.Created.Unix(), "status": "available",
		"source": t.Source, "description": text(description), "exchange_rate": nil,
	}
}

func (e event) object() object {
	pending := 0
	if !e.Next.IsZero() {
		pending = 1
	}
	return object{
		"id": e.ID, "object": "event", "type": e.Type, "api_version": apiVersion, "livemode": false,
		"created": e.Created.Unix(), "pending_webhooks": pending, "data": object{"object": json.RawMessage(e.Object)},
		"request": object{"id": nil, "idempotency_key": nil},
	}
}

// expand replaces the id at a path such as "payment_intent.latest_charge" by
// the object. It reports whether the path names something that can be
// expanded; a null stays null.
func (p *payment) expand(o object, path string) bool {
	field, rest, more := strings.Cut(path, ".")
	v, known := o[field]
	if !known || !expandable[field] {
		return false
	}
	inner, done := v.(object)
	if id, ok := v.(string); ok {
		inner = p.object(id)
		o[field], done = inner, inner != nil
	}
	if !done || !more {
		return v == nil || done
	}
	return p.expand(inner, rest)
}

// expandable are the fields that hold the id of another object.
var expandable = map[string]bool{
	"payment_intent": true, "latest_charge": true, "charge": true, "balance_transaction": true,
	"failure_balance_transaction": true, "source": true, "customer": true,
}

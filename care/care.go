// Package care is the medical side of a journey: the case with its enquiry,
// records, the hospital's answer and treatment plan, appointments, letters and
// aftercare. The hospital's yes or no to a paid booking is a fact of the
// booking and kept by package checkout.
package care

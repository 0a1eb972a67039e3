// Package catalog holds what Medtour offers: treatments, hospitals, offerings,
// places, packages and departures, the rules that they obey, and the workflow
// by which they are published.
//
// What it promises:
//   - nothing is stored that its Validate refuses;
//   - patients only ever see published revisions; every revision is kept with
//     author, time and reason;
//   - every statement of fact is a Claim with a source; one without a source,
//     or expired, is not shown;
//   - a package is published only when its itinerary passes the recovery check
//     and none of its treatments is one that may not be sold;
//   - every change of what is published appears in the change feed, in an order
//     that every reader sees alike, even when the writer died half way.
package catalog

package catalog

import "slices"

// dayList is an itinerary with one list of items for every day.
type dayList [][]Item

// byDay lays an itinerary out day by day. Its items are shared: do not change
// them.
func (it Itinerary) byDay() dayList {
	out := make(dayList, it.Length())
	for _, d := range it.Days {
		for day := d.From; day <= d.To; day++ {
			out[day-1] = d.Items
		}
	}
	return out
}

// itinerary joins days alike that follow each other.
func (l dayList) itinerary() Itinerary {
	var out Itinerary
	for i, items := range l {
		if n := len(out.Days); n > 0 && sameContent(out.Days[n-1].Items, items) {
			out.Days[n-1].To = i + 1
			continue
		}
		out.Days = append(out.Days, Day{From: i + 1, To: i + 1, Items: items})
	}
	return out
}

// WithDays puts n days, each with the items, in front of a day; the length
// plus one puts them at the end. Days beyond the greatest length are left out.
func (it Itinerary) WithDays(day, n int, items ...Item) Itinerary {
	l := it.byDay()
	day = min(max(day, 1), len(l)+1)
	n = min(max(n, 0), maxItineraryDays-len(l))
	if n <= 0 {
		return it
	}
	added := make(dayList, n)
	for i := range added {
		added[i] = slices.Clone(items)
	}
	return slices.Insert(l, day-1, added...).itinerary()
}

// WithoutDays takes the days from one to another out. The last day stays.
func (it Itinerary) WithoutDays(from, to int) Itinerary {
	l := it.byDay()
	from, to = max(from, 1), min(to, len(l))
	if from > to || to-from+1 >= len(l) {
		return it
	}
	return slices.Delete(l, from-1, to).itinerary()
}

// WithItem adds an item to the days from one to another, at the end of each.
func (it Itinerary) WithItem(from, to int, item Item) Itinerary {
	l := it.byDay()
	for day := max(from, 1); day <= min(to, len(l)); day++ {
		l[day-1] = append(slices.Clone(l[day-1]), item)
	}
	return l.itinerary()
}

// WithoutItem takes an item out of the days from one to another. All of them
// are alike.
func (it Itinerary) WithoutItem(from, to, item int) Itinerary {
	l := it.byDay()
	for day := max(from, 1); day <= min(to, len(l)); day++ {
		if item >= 0 && item < len(l[day-1]) {
			l[day-1] = slices.Delete(slices.Clone(l[day-1]), item, item+1)
		}
	}
	return l.itinerary()
}

// WithItemAt moves an item of one day to the end of another.
func (it Itinerary) WithItemAt(day, item, to int) Itinerary {
	l := it.byDay()
	if day < 1 || day > len(l) || to < 1 || to > len(l) || to == day || item < 0 || item >= len(l[day-1]) {
		return it
	}
	return it.WithoutItem(day, day, item).WithItem(to, to, l[day-1][item])
}

// WithItemUp moves an item one place towards the start of its days; from the
// first place it goes to the day before.
func (it Itinerary) WithItemUp(from, to, item int) Itinerary {
	return it.swapItem(from, to, item, item-1)
}

// WithItemDown moves an item one place towards the end of its days; from the
// last place it goes to the day after.
func (it Itinerary) WithItemDown(from, to, item int) Itinerary {
	return it.swapItem(from, to, item, item+1)
}

func (it Itinerary) swapItem(from, to, item, with int) Itinerary {
	l := it.byDay()
	if from < 1 || to > len(l) || from > to || item < 0 || item >= len(l[from-1]) {
		return it
	}
	switch {
	case with < 0:
		return it.WithItemAt(from, item, from-1)
	case with >= len(l[from-1]):
		return it.WithItemAt(to, item, to+1)
	}
	for day := from; day <= to; day++ {
		l[day-1] = slices.Clone(l[day-1])
		l[day-1][item], l[day-1][with] = l[day-1][with], l[day-1][item]
	}
	return l.itinerary()
}

// PlanStay lays the timelines of offerings out as days, the longest span of
// each phase, with the standard texts: arrival, examinations, the procedures
// one after the other with their nights on the ward, rest until the patient may
// fly, a closing check, the journey home. What it returns passes the recovery
// check.
func PlanStay(offeringIDs []string, timelines map[string]Timeline) Itinerary {
	s := Standards()
	medical := func(standard, offering string) Item {
		item := s.Item(standard)
		item.OfferingID = offering
		return item
	}
	days := dayList{{s.Item("arrival"), s.Item("check-in")}}
	add := func(n int, items ...Item) {
		for range n {
			days = append(days, items)
		}
	}
	for _, id := range offeringIDs {
		if workup, ok := timelines[id].Phase(PhaseWorkup); ok {
			add(workup.Days.Max, s.Item("hospital-transfer"), medical("workup", id))
		}
	}
	for _, id := range offeringIDs {
		procedure, _ := timelines[id].Phase(PhaseProcedure)
		add(max(procedure.Days.Max, 1), s.Item("hospital-transfer"), medical("procedure", id))
		add(timelines[id].Nights().Max, medical("ward", id))
	}
	fit := Stay{Itinerary: days.itinerary(), Offerings: timelines}.FitToFly()
	add(fit-2-len(days), s.Item("rest"))
	check := []Item{s.Item("hospital-transfer")}
	for _, id := range offeringIDs {
		check = append(check, medical("check", id))
	}
	add(1, check...)
	add(1, s.Item("departure"), s.Item("flight"))
	return days.itinerary()
}

package catalog

import (
	"context"

	"github.com/medtour/medtour/fault"
)

// Costing is what an agency itself pays for what it sells in a package. It is
// the agency's own knowledge: no part of the package, its revisions, its export
// or any page but the agency's.
type Costing struct {
	// Costs by the id of a price line, in the package's currency.
	Costs map[string]Money `json:"costs"`
}

// Costing returns an agency's costing of a package, empty where it has none.
func (c *Catalog) Costing(ctx context.Context, packageID string) (Costing, error) {
	rec, err := c.costings.Get(ctx, packageID)
	if fault.Is(err, fault.NotFound) {
		return Costing{}, nil
	}
	return rec.Value, err
}

// SaveCosting stores an agency's costing of a package.
func (c *Catalog) SaveCosting(ctx context.Context, packageID string, v Costing) error {
	err := c.costings.Insert(ctx, packageID, v)
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	_, err = c.costings.Update(ctx, packageID, func(old *Costing) error {
		*old = v
		return nil
	})
	return err
}

// Margin is what a booking leaves to an agency, in the package's currency.
type Margin struct {
	// Income is what the agency receives: its own lines, and those of the
	// hotel and the interpreter, whom it engages. Cost is what it pays for
	// them, Left what remains.
	Income, Cost, Left Money
	// Uncosted are lines of the income without a cost; they count in full.
	Uncosted []string
}

// Margin computes what a booking of the package with a number of companions
// leaves to the agency. The hospital's and the platform's lines only pass
// through.
func (p Package) Margin(c Costing, companions int) Margin {
	zero := Money{Currency: p.Currency}
	m := Margin{Income: zero, Cost: zero}
	for _, l := range p.Lines {
		n := int64(1)
		if l.Per == PerCompanion {
			n = int64(companions)
		}
		if l.Amount == nil || n == 0 || l.Payee == PayeeHospital || l.Payee == PayeePlatform {
			continue
		}
		m.Income.Amount += n * l.Amount.Amount
		cost, ok := c.Costs[l.ID]
		if !ok || cost.Currency != p.Currency {
			m.Uncosted = append(m.Uncosted, l.ID)
			continue
		}
		m.Cost.Amount += n * cost.Amount
	}
	m.Left = Money{Amount: m.Income.Amount - m.Cost.Amount, Currency: p.Currency}
	return m
}

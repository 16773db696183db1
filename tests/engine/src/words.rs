//! A portfolio as a list of 64-bit words and back.

use margrave_risk::{
    Collateral, Dated, Decimals, Expiry, Grid, Group, Haircuts, Holdings, Levels, LinearPosition, Market, Mode, Nodes,
    OptionTerms, Price, Quantity, Ratio, RiskError, SizeCharge, Strike, Terms, UnderlyingRisk, Usd, Valuation, Vol,
    Years,
};

/// One expiry's positions.
#[derive(Clone, Debug)]
pub struct ExpiryHoldings {
    pub terms: Terms,
    pub futures: Vec<LinearPosition>,
    pub strikes: Vec<Strike>,
}

/// One underlying's market and positions.
#[derive(Clone, Debug)]
pub struct Underlying {
    pub market: Market,
    pub perps: Vec<LinearPosition>,
    pub collateral: Vec<Collateral>,
    pub expiries: Vec<ExpiryHoldings>,
}

/// A portfolio that owns its parts.
#[derive(Clone, Debug)]
pub struct Portfolio {
    pub mode: Mode,
    pub cash: Usd,
    pub collateral: Vec<Collateral>,
    pub underlyings: Vec<Underlying>,
    pub levels: Levels,
}

/// What a program may store between prices.
#[derive(Clone, Debug)]
pub struct Prepared {
    nodes: Vec<Option<Nodes>>,
    expiries: Vec<Expiry>,
}

impl Prepared {
    /// A number that depends on it.
    pub fn digest(&self) -> i64 {
        self.expiries.iter().fold(0, |sum, expiry| sum ^ expiry.unobserved().bits())
    }
}

const OPTIONS: OptionTerms = OptionTerms::standard();

impl Portfolio {
    /// Expiries and grids, prepared: what a program may store.
    pub fn prepare(&self) -> Result<Prepared, RiskError> {
        let mut nodes = Vec::with_capacity(self.underlyings.len());
        for underlying in &self.underlyings {
            nodes.push(match underlying.expiries.is_empty() {
                true => None,
                false => Some(Nodes::new(&Grid::new(underlying.market.scan_range)?)),
            });
        }
        let expiries = self.underlyings.iter().flat_map(|underlying| &underlying.expiries);
        let mut prepared = Vec::with_capacity(expiries.clone().count());
        for held in expiries {
            prepared.push(Expiry::new(&held.terms, &OPTIONS)?);
        }
        Ok(Prepared { nodes, expiries: prepared })
    }

    /// The engine's verdict.
    pub fn evaluate(
        &self,
        prepared: &Prepared,
        visit: impl FnMut(usize, &UnderlyingRisk),
    ) -> Result<Valuation, RiskError> {
        let (nodes, mut prepared) = (&prepared.nodes, prepared.expiries.iter());
        let mut dated: Vec<Dated> = Vec::with_capacity(prepared.len());
        for held in self.underlyings.iter().flat_map(|underlying| &underlying.expiries) {
            let Some(expiry) = prepared.next() else { break };
            dated.push(Dated { expiry, futures: &held.futures, strikes: &held.strikes });
        }
        let (mut rest, mut holdings) = (&dated[..], Vec::with_capacity(self.underlyings.len()));
        for (underlying, nodes) in self.underlyings.iter().zip(nodes) {
            let (expiries, next) = rest.split_at(underlying.expiries.len().min(rest.len()));
            rest = next;
            holdings.push(Holdings {
                market: &underlying.market,
                nodes: nodes.as_ref(),
                perps: &underlying.perps,
                collateral: &underlying.collateral,
                expiries,
            });
        }
        let portfolio = margrave_risk::Portfolio {
            mode: self.mode,
            cash: self.cash,
            collateral: &self.collateral,
            underlyings: &holdings,
            options: &OPTIONS,
            levels: self.levels,
        };
        portfolio.evaluate(visit)
    }
}

struct Words<'a>(core::slice::Iter<'a, i64>);

impl Words<'_> {
    fn next(&mut self) -> i64 {
        self.0.next().copied().unwrap_or(0)
    }

    fn ratio(&mut self) -> Result<Ratio, RiskError> {
        Ratio::from_bits(self.next())
    }

    fn usd(&mut self) -> Result<Usd, RiskError> {
        Usd::new(self.next())
    }

    fn price(&mut self) -> Result<Price, RiskError> {
        Price::new(self.next())
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, RiskError>) -> Result<Vec<T>, RiskError> {
        let count = usize::try_from(self.next()).unwrap_or(0).min(64);
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn collateral(&mut self) -> Result<Collateral, RiskError> {
        Ok(Collateral { value: self.usd()?, haircuts: self.haircuts()? })
    }

    fn haircuts(&mut self) -> Result<Haircuts, RiskError> {
        let haircuts = Haircuts { maintenance: self.ratio()?, initial: self.ratio()? };
        let ordered = Ratio::ZERO <= haircuts.maintenance
            && haircuts.maintenance <= haircuts.initial
            && haircuts.initial <= Ratio::ONE;
        if ordered { Ok(haircuts) } else { Err(RiskError::RatioOutOfRange) }
    }

    fn linear(&mut self) -> Result<LinearPosition, RiskError> {
        Ok(LinearPosition { quantity: Quantity::new(self.next()), quote: self.usd()? })
    }

    fn strike(&mut self) -> Result<Strike, RiskError> {
        let (price, vol) = (self.price()?, Vol::from_bits(self.next())?);
        Ok(Strike::new(price, vol, Quantity::new(self.next()), Quantity::new(self.next())))
    }

    fn expiry(&mut self) -> Result<ExpiryHoldings, RiskError> {
        let terms = Terms { years: Years::from_bits(self.next())?, forward: self.price()?, discount: self.ratio()? };
        Ok(ExpiryHoldings { terms, futures: self.list(Self::linear)?, strikes: self.list(Self::strike)? })
    }

    fn underlying(&mut self) -> Result<Underlying, RiskError> {
        let market = Market {
            price: self.price()?,
            confidence: self.ratio()?,
            stable_gap: Ratio::ZERO,
            unit: Decimals::new(u8::try_from(self.next()).unwrap_or(u8::MAX))?,
            scan_range: self.ratio()?,
            net_charge: self.ratio()?,
            hedged_charge: self.ratio()?,
            profit: self.haircuts()?,
            profit_cap: Usd::new(self.next()).unwrap_or(Usd::NO_LIMIT),
            size: SizeCharge { depth: self.usd()?, slope: self.ratio()?, cap: self.ratio()? },
            ramp: self.ratio()?,
            group: Group { id: u8::try_from(self.next()).unwrap_or(u8::MAX), kappa: self.ratio()? },
        };
        market.require_valid()?;
        Ok(Underlying {
            market,
            perps: self.list(Self::linear)?,
            collateral: self.list(Self::collateral)?,
            expiries: self.list(Self::expiry)?,
        })
    }
}

/// Reads a portfolio.
pub fn decode(words: &[i64]) -> Result<Portfolio, RiskError> {
    let mut words = Words(words.iter());
    Ok(Portfolio {
        mode: match words.next() {
            0 => Mode::Isolated,
            1 => Mode::Cross,
            _ => Mode::Portfolio,
        },
        levels: Levels { maintenance_scan: words.ratio()?, liquidation_buffer: words.ratio()?, depeg: words.ratio()? },
        cash: words.usd()?,
        collateral: words.list(Words::collateral)?,
        underlyings: words.list(Words::underlying)?,
    })
}

/// Writes a portfolio.
pub fn encode(portfolio: &Portfolio) -> Vec<i64> {
    let mut words = vec![match portfolio.mode {
        Mode::Isolated => 0,
        Mode::Cross => 1,
        Mode::Portfolio => 2,
    }];
    let Levels { maintenance_scan, liquidation_buffer, depeg } = portfolio.levels;
    words.extend([maintenance_scan.bits(), liquidation_buffer.bits(), depeg.bits(), portfolio.cash.micros()]);
    write_collateral(&mut words, &portfolio.collateral);
    write_count(&mut words, portfolio.underlyings.len());
    for underlying in &portfolio.underlyings {
        let market = &underlying.market;
        words.extend([
            market.price.raw(),
            market.confidence.bits(),
            market.unit.digits().into(),
            market.scan_range.bits(),
            market.net_charge.bits(),
            market.hedged_charge.bits(),
            market.profit.maintenance.bits(),
            market.profit.initial.bits(),
            market.profit_cap.micros(),
            market.size.depth.micros(),
            market.size.slope.bits(),
            market.size.cap.bits(),
            market.ramp.bits(),
            market.group.id.into(),
            market.group.kappa.bits(),
        ]);
        write_linear(&mut words, &underlying.perps);
        write_collateral(&mut words, &underlying.collateral);
        write_count(&mut words, underlying.expiries.len());
        for held in &underlying.expiries {
            words.extend([held.terms.years.bits(), held.terms.forward.raw(), held.terms.discount.bits()]);
            write_linear(&mut words, &held.futures);
            write_count(&mut words, held.strikes.len());
            for strike in &held.strikes {
                words.extend([strike.price().raw(), strike.vol.bits(), strike.calls.atoms(), strike.puts.atoms()]);
            }
        }
    }
    words
}

fn write_count(words: &mut Vec<i64>, count: usize) {
    words.push(i64::try_from(count).unwrap_or(i64::MAX));
}

fn write_linear(words: &mut Vec<i64>, positions: &[LinearPosition]) {
    write_count(words, positions.len());
    words.extend(positions.iter().flat_map(|position| [position.quantity.atoms(), position.quote.micros()]));
}

fn write_collateral(words: &mut Vec<i64>, collateral: &[Collateral]) {
    write_count(words, collateral.len());
    for Collateral { value, haircuts } in collateral {
        words.extend([value.micros(), haircuts.maintenance.bits(), haircuts.initial.bits()]);
    }
}

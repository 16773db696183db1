pub fn head(_a: usize, _s: u64) -> String { String::new() }
pub fn period(_p: &crate::Period, _path: &crate::Path, o: &crate::Outcome) -> String { format!("{:#?}\n{:#?}\n{:#?}\n{} {}", o.portfolio, o.abandoned, o.control, o.could_not_open, o.refused_deposits) }
pub fn coverage(c: &crate::coverage::Coverage, _s: &[margrave_sim::prices::Hour]) -> String { let mut t=String::new(); for l in c.by_coin.iter().chain(&c.by_style).chain([&c.all]) { t += &format!("{:?} {} {:.2}\n", l, l.covered(), l.kupiec()); } t }

//! Yes, no, cannot tell (Kleene's three values), and what an answer can still become once prior
//! values are read.

/// What a condition says, in the order in which `and` takes the lesser and `or` the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    /// It does not hold.
    No,
    /// It may hold.
    CannotTell,
    /// It holds.
    Yes,
}

impl Answer {
    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::CannotTell => Self::CannotTell,
            Self::Yes => Self::No,
        }
    }
}

impl From<bool> for Answer {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// The answers that are still possible: all from `least` to `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The least possible answer.
    pub(super) least: Answer,
    /// The greatest possible answer.
    pub(super) most: Answer,
}

impl Range {
    /// Nothing is known until prior values are read.
    pub(super) const OPEN: Self = Self {
        least: Answer::No,
        most: Answer::Yes,
    };

    /// One answer.
    pub(super) fn only(answer: Answer) -> Self {
        Self {
            least: answer,
            most: answer,
        }
    }

    /// Both hold.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.min(other.most),
        }
    }

    /// One of them holds.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            least: self.least.max(other.least),
            most: self.most.max(other.most),
        }
    }

    /// It does not hold.
    pub(super) fn not(self) -> Self {
        Self {
            least: self.most.not(),
            most: self.least.not(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Answer::{CannotTell, No, Yes};
    use super::*;

    const ALL: [Answer; 3] = [No, CannotTell, Yes];

    fn ranges() -> Vec<Range> {
        ALL.into_iter()
            .flat_map(|least| {
                ALL.into_iter()
                    .filter(move |most| least <= *most)
                    .map(move |most| Range { least, most })
            })
            .collect()
    }

    fn within(range: Range) -> impl Iterator<Item = Answer> {
        ALL.into_iter()
            .filter(move |answer| range.least <= *answer && *answer <= range.most)
    }

    fn hull(answers: impl Iterator<Item = Answer>) -> Range {
        let answers: Vec<_> = answers.collect();
        Range {
            least: *answers.iter().min().unwrap(),
            most: *answers.iter().max().unwrap(),
        }
    }

    #[test]
    fn the_tables_are_those_of_three_valued_logic() {
        let and = [
            [No, No, No],
            [No, CannotTell, CannotTell],
            [No, CannotTell, Yes],
        ];
        let or = [
            [No, CannotTell, Yes],
            [CannotTell, CannotTell, Yes],
            [Yes, Yes, Yes],
        ];
        for (i, a) in ALL.into_iter().enumerate() {
            for (j, b) in ALL.into_iter().enumerate() {
                let (a, b) = (Range::only(a), Range::only(b));
                assert_eq!(a.and(b), Range::only(and[i][j]));
                assert_eq!(a.or(b), Range::only(or[i][j]));
            }
        }
        assert_eq!(Range::only(No).not(), Range::only(Yes));
        assert_eq!(Range::only(CannotTell).not(), Range::only(CannotTell));
        assert_eq!(Range::only(Yes).not(), Range::only(No));
    }

    #[test]
    fn a_range_holds_every_answer_that_its_parts_can_become() {
        for a in ranges() {
            assert_eq!(a.not(), hull(within(a).map(Answer::not)));
            for b in ranges() {
                let pairs = || within(a).flat_map(move |x| within(b).map(move |y| (x, y)));
                assert_eq!(a.and(b), hull(pairs().map(|(x, y)| x.min(y))));
                assert_eq!(a.or(b), hull(pairs().map(|(x, y)| x.max(y))));
            }
        }
    }
}

//! Where a value stands on an axis, and where the axis has its ticks.

/// How values become distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Scale {
    /// From 0, so that lengths compare.
    Linear,
    /// Of factors, from the power of ten below the least value.
    Decades,
    /// Of factors, from the least value; 0 has a place, too (the logarithm is that of 1 + x).
    Factors,
}

/// A scale over the values that it has to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    scale: Scale,
    /// Of the ends, on the scale.
    from: f64,
    to: f64,
}

impl Axis {
    pub(super) fn over(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let least = values.clone().map(|value| scale.of(value));
        let least = least.fold(f64::INFINITY, f64::min);
        let most = values.map(|value| scale.of(value));
        let most = most.fold(f64::NEG_INFINITY, f64::max);
        let (from, to) = match scale {
            Scale::Linear => (0.0, most * 1.1),
            Scale::Decades => (least.floor(), most.ceil()),
            Scale::Factors => (least, most),
        };
        // One value alone is an axis, too.
        let to = if to > from { to } else { from + 1.0 };
        Self { scale, from, to }
    }

    /// The share of the axis that lies before the value.
    pub(super) fn at(&self, value: f64) -> f64 {
        (self.scale.of(value) - self.from) / (self.to - self.from)
    }

    /// Values for lines across the plot.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear | Scale::Factors => [0.0, 0.25, 0.5, 0.75, 1.0]
                .map(|share| self.scale.back(self.from + share * (self.to - self.from)))
                .to_vec(),
            Scale::Decades => {
                let tens = std::iter::successors(Some(self.from), |ten| Some(ten + 1.0));
                tens.take_while(|ten| *ten <= self.to)
                    .map(|ten| self.scale.back(ten))
                    .collect()
            }
        }
    }
}

impl Scale {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            // A thousandth of a microsecond is nothing; its logarithm is at least a number.
            Self::Decades => value.max(1e-3).log10(),
            Self::Factors => value.ln_1p(),
        }
    }

    fn back(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Decades => 10_f64.powf(place),
            Self::Factors => place.exp_m1(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_begin_at_the_least() {
        let axis = Axis::over(Scale::Factors, [500.0, 2_000.0, 8_000.0].into_iter());
        assert_eq!((axis.at(500.0), axis.at(8_000.0)), (0.0, 1.0));
        assert!((axis.at(2_000.0) - 0.5).abs() < 0.001, "{axis:?}");
    }

    #[test]
    fn sixty_four_mebibytes_leave_room_for_a_get() {
        let axis = Axis::over(Scale::Decades, [20.0, 30_000.0].into_iter());
        assert_eq!(axis.ticks(), [10.0, 100.0, 1e3, 1e4, 1e5]);
        assert!(axis.at(20.0) > 0.05 && axis.at(30_000.0) < 1.0);
    }

    #[test]
    fn heights_compare() {
        let axis = Axis::over(Scale::Linear, [5.0, 10.0].into_iter());
        assert_eq!(axis.at(10.0), 2.0 * axis.at(5.0));
        let alone = Axis::over(Scale::Linear, [0.0].into_iter());
        assert_eq!(alone.at(0.0), 0.0);
    }
}

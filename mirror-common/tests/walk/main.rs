//! The header walk over crafted frames: each shape, each refusal, each truncation.

#[cfg(test)]
mod found;
#[cfg(test)]
mod frame;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod inside;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod tunnel;

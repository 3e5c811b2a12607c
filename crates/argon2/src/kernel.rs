//! Which instructions blocks are computed with.

mod self_test;

use std::{
    env,
    ffi::OsStr,
    fmt,
    str::FromStr,
    sync::{LazyLock, OnceLock},
};

#[cfg(all(target_arch = "x86_64", not(miri)))]
use crate::lanes::{avx2, avx512};
use crate::{KernelError, fill::Fill};

/// An implementation of the compression function. All compute the same hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// The `argon2` crate, on every processor.
    Portable,
    /// 256-bit vectors of x86-64.
    Avx2,
    /// 512-bit vectors of x86-64. AVX-512F is enough.
    Avx512,
}

impl Kernel {
    /// The best last.
    const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The best kernel that runs on this processor and computes right hashes.
    ///
    /// ```
    /// use portcullis_argon2::Kernel;
    /// assert!(Kernel::available().contains(&Kernel::detected()));
    /// ```
    #[must_use]
    pub fn detected() -> Self {
        best(|kernel| kernel.check().is_ok())
    }

    /// All kernels that run on this processor and compute right hashes, the best last.
    ///
    /// ```
    /// use portcullis_argon2::Kernel;
    /// assert!(Kernel::available().contains(&Kernel::Portable));
    /// ```
    #[must_use]
    pub fn available() -> Vec<Self> {
        let all = Self::ALL.into_iter();
        all.filter(|kernel| kernel.check().is_ok()).collect()
    }

    /// The kernel of this process: the one that was forced, or named by `PORTCULLIS_ARGON2`
    /// (`portable`, `avx2` or `avx512`), or else detected. It is chosen once. A value with a `=` in
    /// it, like `m=19456,t=2,p=1`, is a cost for somebody else and names no kernel.
    ///
    /// ```
    /// use portcullis_argon2::Kernel;
    /// println!("hashing with {}", Kernel::in_use()?);
    /// # Ok::<_, portcullis_argon2::KernelError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the variable names no kernel, or one that cannot be used here. Nothing else is used in
    /// its place.
    pub fn in_use() -> Result<Self, KernelError> {
        *CHOSEN.get_or_init(|| match env::var_os(VARIABLE) {
            Some(name) if !is_cost(&name) => named(name.to_str().ok_or(KernelError::Unknown)?),
            _ => Ok(Self::detected()),
        })
    }

    /// Makes this the kernel of the process, whatever `PORTCULLIS_ARGON2` says. To be called before
    /// the first hash.
    ///
    /// ```
    /// use portcullis_argon2::Kernel;
    /// Kernel::Portable.force()?;
    /// assert_eq!(Kernel::in_use(), Ok(Kernel::Portable));
    /// # Ok::<_, portcullis_argon2::KernelError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it cannot be used here, or when another one was chosen before.
    pub fn force(self) -> Result<(), KernelError> {
        self.check()?;
        match *CHOSEN.get_or_init(|| Ok(self)) {
            Ok(chosen) if chosen == self => Ok(()),
            Ok(chosen) => Err(KernelError::AlreadyChosen(chosen)),
            Err(error) => Err(error),
        }
    }

    /// Whether it runs on this processor and computes right hashes. The answer is found once: a
    /// kernel is asked some hashes that are known.
    ///
    /// ```
    /// use portcullis_argon2::Kernel;
    /// assert_eq!(Kernel::Portable.check(), Ok(()));
    /// ```
    ///
    /// # Errors
    ///
    /// When it does not. A wrong hash is also reported through `tracing`, once.
    pub fn check(self) -> Result<(), KernelError> {
        match self {
            Self::Portable => *PORTABLE,
            Self::Avx2 => *AVX2,
            Self::Avx512 => *AVX512,
        }
    }

    /// The name that `PORTCULLIS_ARGON2` knows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// How it fills a segment; nothing for the crate, which does all by itself.
    pub(crate) const fn fill(self) -> Option<Fill> {
        match self {
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx2 => Some(avx2::fill_segment),
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx512 => Some(avx512::fill_segment),
            _ => None,
        }
    }

    fn is_supported(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(all(target_arch = "x86_64", not(miri))))]
            _ => false,
        }
    }

    fn examine(self) -> Result<(), KernelError> {
        if !self.is_supported() {
            return Err(KernelError::Unsupported(self));
        }
        if !self_test::is_right(self) {
            tracing::error!(kernel = %self, "this kernel computes wrong hashes and is not used");
            return Err(KernelError::SelfTest(self));
        }
        Ok(())
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Kernel {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        let mut all = Self::ALL.into_iter();
        all.find(|kernel| kernel.as_str() == name)
            .ok_or(KernelError::Unknown)
    }
}

fn named(name: &str) -> Result<Kernel, KernelError> {
    let kernel = name.parse::<Kernel>()?;
    kernel.check()?;
    Ok(kernel)
}

/// Servers have an option for the cost of new hashes, whose variable has the same name.
fn is_cost(value: &OsStr) -> bool {
    value.as_encoded_bytes().contains(&b'=')
}

fn best(usable: impl Fn(Kernel) -> bool) -> Kernel {
    let mut all = Kernel::ALL.into_iter().rev();
    all.find(|kernel| usable(*kernel))
        .unwrap_or(Kernel::Portable)
}

const VARIABLE: &str = "PORTCULLIS_ARGON2";

static CHOSEN: OnceLock<Result<Kernel, KernelError>> = OnceLock::new();

static PORTABLE: LazyLock<Result<(), KernelError>> = LazyLock::new(|| Kernel::Portable.examine());
static AVX2: LazyLock<Result<(), KernelError>> = LazyLock::new(|| Kernel::Avx2.examine());
static AVX512: LazyLock<Result<(), KernelError>> = LazyLock::new(|| Kernel::Avx512.examine());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_usable_kernel_is_taken() {
        assert_eq!(best(|_| true), Kernel::Avx512);
        assert_eq!(best(|kernel| kernel != Kernel::Avx512), Kernel::Avx2);
        assert_eq!(best(|kernel| kernel == Kernel::Portable), Kernel::Portable);
        assert_eq!(best(|_| false), Kernel::Portable);
    }

    #[test]
    fn a_cost_names_no_kernel() {
        assert!(is_cost(OsStr::new("m=19456,t=2,p=1")));
        assert!(!is_cost(OsStr::new("avx2")) && !is_cost(OsStr::new("")));
    }

    #[test]
    fn names_are_read_back() {
        for kernel in Kernel::ALL {
            assert_eq!(kernel.to_string().parse(), Ok(kernel));
        }
        assert_eq!("AVX2".parse::<Kernel>(), Err(KernelError::Unknown));
        assert_eq!(named("sse2"), Err(KernelError::Unknown));
        assert_eq!(named("portable"), Ok(Kernel::Portable));
    }

    #[test]
    fn what_the_processor_lacks_is_an_error_that_helps() {
        for kernel in Kernel::ALL {
            if !kernel.is_supported() {
                assert_eq!(kernel.force(), Err(KernelError::Unsupported(kernel)));
                let text = named(kernel.as_str()).unwrap_err().to_string();
                assert!(text.contains("leave PORTCULLIS_ARGON2 unset"), "{text}");
            }
        }
    }
}

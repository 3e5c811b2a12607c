//! The key by which ids that do not exist are spread over counters.

use std::sync::Arc;

use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::{
    code::ServiceKey,
    derived::hexadecimal,
    error::{StoreError, StoreErrorKind},
    id::OperationId,
    store::{DocumentKey, DocumentKind, DocumentOutcome, DocumentStore, DocumentWrite},
};

/// A key that is given, or that all servers on one store find in it.
///
/// With keys of their own, each server would spend another budget on an id that does not exist, and
/// so tell that it does not.
#[derive(Debug)]
pub(super) struct ShamKey {
    key: OnceCell<ServiceKey>,
    documents: Option<Arc<dyn DocumentStore>>,
    /// What becomes the key where there is none yet, and the name of that write.
    drawn: Drawn,
}

struct Drawn {
    key: Zeroizing<[u8; 32]>,
    operation: OperationId,
}

impl ShamKey {
    pub(super) fn given(key: ServiceKey) -> Self {
        Self {
            key: OnceCell::new_with(Some(key)),
            documents: None,
            drawn: Drawn {
                key: Zeroizing::default(),
                operation: OperationId::from_bytes([0; 16]),
            },
        }
    }

    /// The one in these documents; this one where there is none yet, or there are no documents.
    pub(super) fn shared(
        documents: Option<Arc<dyn DocumentStore>>,
        key: Zeroizing<[u8; 32]>,
        operation: OperationId,
    ) -> Self {
        Self {
            key: OnceCell::new(),
            documents,
            drawn: Drawn { key, operation },
        }
    }

    /// The key. The store is asked until it has answered once: by each call, as none has to wait for
    /// the failures of others.
    pub(super) async fn get(&self) -> Result<&ServiceKey, StoreError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = self.agree().await?;
        Ok(self.key.get_or_init(|| async { key }).await)
    }

    async fn agree(&self) -> Result<ServiceKey, StoreError> {
        let Some(documents) = &self.documents else {
            return Ok(ServiceKey::new(*self.drawn.key));
        };
        let place = DocumentKey::new(DocumentKind::Key, "sham");
        loop {
            if let Some(found) = documents.document(&place).await? {
                return parse(&found.text).ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt));
            }
            let text = Zeroizing::new(hexadecimal(&*self.drawn.key));
            let write = DocumentWrite::new(place.clone(), self.drawn.operation, None, text);
            if let DocumentOutcome::Written { .. } = documents.write_document(&write).await? {
                return Ok(ServiceKey::new(*self.drawn.key));
            }
        }
    }
}

impl std::fmt::Debug for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Drawn(..)")
    }
}

/// 64 hexadecimal digits.
fn parse(text: &str) -> Option<ServiceKey> {
    let mut key = Zeroizing::new([0; 32]);
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    for byte in key.iter_mut() {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then(|| ServiceKey::new(*key))
}

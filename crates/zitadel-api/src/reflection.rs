//! gRPC server reflection, v1 and v1alpha, over the descriptors of our own `.proto` files.

use connectrpc::Router;
use connectrpc_reflection::Reflector;

use crate::endpoints::service;

const DESCRIPTORS: &[u8] = include_bytes!("../gen/descriptors.bin");

/// Adds the reflection services.
pub(crate) fn install(router: Router) -> Router {
    match Reflector::from_descriptor_set_bytes(DESCRIPTORS) {
        Ok(reflector) => {
            connectrpc_reflection::install(router, reflector.with_services(service::ALL))
        }
        Err(error) => {
            // The descriptors are checked in and a test reads them: this is a broken build.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "reflection is off"
            );
            router
        }
    }
}

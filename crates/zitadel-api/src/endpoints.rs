//! The methods that are served, each by one description for all transports.

pub(crate) mod changes;
pub(crate) mod own;
pub(crate) mod password;
pub(crate) mod password_v2;
pub(crate) mod reset;
pub(crate) mod reset_code;
pub(crate) mod state;
pub(crate) mod user;

/// The services that these methods belong to (contract sections 1.1 and 1.5).
pub(crate) mod service {
    pub(crate) const AUTH: &str = "zitadel.auth.v1.AuthService";
    pub(crate) const MANAGEMENT: &str = "zitadel.management.v1.ManagementService";
    pub(crate) const USER: &str = "zitadel.user.v2.UserService";

    pub(crate) const ALL: [&str; 3] = [AUTH, MANAGEMENT, USER];
}

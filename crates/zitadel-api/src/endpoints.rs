//! The methods that are served, each by one description for all transports.

pub(crate) mod changes;
pub(crate) mod import;
pub(crate) mod own;
pub(crate) mod password;
pub(crate) mod password_v2;
pub(crate) mod policies;
pub(crate) mod reset;
pub(crate) mod reset_code;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod user;

/// The services that these methods belong to (contract sections 1.1 and 1.5).
pub(crate) mod service {
    pub(crate) const AUTH: &str = "zitadel.auth.v1.AuthService";
    pub(crate) const MANAGEMENT: &str = "zitadel.management.v1.ManagementService";
    pub(crate) const SESSION: &str = "zitadel.session.v2.SessionService";
    pub(crate) const SETTINGS: &str = "zitadel.settings.v2.SettingsService";
    pub(crate) const USER: &str = "zitadel.user.v2.UserService";

    pub(crate) const ALL: [&str; 5] = [AUTH, MANAGEMENT, SESSION, SETTINGS, USER];
}

//! Hosting platforms, known by the names of their hosts and by the roles that they leave in every cluster.

use std::collections::HashSet;

/// Host name endings and who runs them. A host matches when it is the ending or ends in `.` and the ending.
const HOSTS: [(&str, &str); 29] = [
    ("supabase.co", "Supabase"),
    ("supabase.com", "Supabase"),
    ("supabase.net", "Supabase"),
    ("neon.tech", "Neon"),
    ("neon.build", "Neon"),
    ("rds.amazonaws.com", "Amazon RDS"),
    ("rds.amazonaws.com.cn", "Amazon RDS"),
    ("dsql.amazonaws.com", "Amazon Aurora DSQL"),
    ("on.aws", "Amazon Web Services"),
    ("postgres.database.azure.com", "Azure"),
    ("postgres.cosmos.azure.com", "Azure"),
    ("postgres.database.usgovcloudapi.net", "Azure"),
    ("postgres.database.chinacloudapi.cn", "Azure"),
    ("sql.goog", "Google Cloud SQL"),
    ("alloydb.goog", "Google AlloyDB"),
    ("db.ondigitalocean.com", "DigitalOcean"),
    ("render.com", "Render"),
    ("aivencloud.com", "Aiven"),
    ("postgresbridge.com", "Crunchy Bridge"),
    ("crunchybridge.com", "Crunchy Bridge"),
    ("railway.app", "Railway"),
    ("rlwy.net", "Railway"),
    ("tembo.io", "Tembo"),
    ("timescale.com", "Timescale"),
    ("tsdb.cloud.timescale.com", "Timescale"),
    ("psdb.cloud", "PlanetScale"),
    ("xata.sh", "Xata"),
    ("fly.dev", "Fly.io"),
    ("nile.tech", "Nile"),
];

/// Endings under `amazonaws.com` that are not a database service of their own but a rented machine: Heroku's
/// databases live there.
const HEROKU: [&str; 2] = ["compute-1.amazonaws.com", "compute.amazonaws.com"];

/// Roles that only a hosting platform makes, and which one. A reader of `pg_roles` asks for these by name.
pub const TELLTALE_ROLES: [(&str, &str); 18] = [
    ("supabase_admin", "Supabase"),
    ("supabase_auth_admin", "Supabase"),
    ("neon_superuser", "Neon"),
    ("cloud_admin", "Neon"),
    ("rds_superuser", "Amazon RDS"),
    ("rdsadmin", "Amazon RDS"),
    ("cloudsqlsuperuser", "Google Cloud SQL"),
    ("cloudsqladmin", "Google Cloud SQL"),
    ("alloydbsuperuser", "Google AlloyDB"),
    ("azure_pg_admin", "Azure"),
    ("azuresu", "Azure"),
    ("doadmin", "DigitalOcean"),
    ("avnadmin", "Aiven"),
    ("crunchy_superuser", "Crunchy Bridge"),
    ("tsdbadmin", "Timescale"),
    ("tembo_superuser", "Tembo"),
    ("heroku_admin", "Heroku"),
    ("pscale_admin", "PlanetScale"),
];

/// The comment of a role that a clone of ours made: a copy of a platform's database needs the platform's roles, and does not
/// make its server the platform's. Only where nobody can log in as it, too: a platform's own administrators log in, and a
/// superuser's comment is a superuser's to write.
pub const MARK_OF_ROLES: &str = "multiboard-sync: made without login for a clone";

/// Those of [`TELLTALE_ROLES`] that a cluster has, but for the ones that clones of ours made there.
pub fn telltale_roles(roles: &HashSet<String>, made_by_us: &HashSet<String>) -> Vec<String> {
    let telltale = TELLTALE_ROLES.iter().map(|(role, _)| *role);
    telltale.filter(|role| roles.contains(*role) && !made_by_us.contains(*role)).map(str::to_owned).collect()
}

/// Who runs a host, by its name.
pub fn provider_of_host(host: &str) -> Option<&'static str> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_under =
        |ending: &str| host == ending || host.strip_suffix(ending).is_some_and(|rest| rest.ends_with('.'));
    if HEROKU.iter().any(|ending| is_under(ending)) {
        return Some("Heroku or Amazon EC2");
    }
    HOSTS.iter().find(|(ending, _)| is_under(ending)).map(|(_, provider)| *provider)
}

/// Who makes a role of this name.
pub fn provider_of_role(role: &str) -> Option<&'static str> {
    TELLTALE_ROLES.iter().find(|(name, _)| *name == role).map(|(_, provider)| *provider)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{provider_of_host, provider_of_role, telltale_roles};

    #[test]
    fn knows_platforms_by_host() {
        for (host, provider) in [
            ("db.abcdefgh.supabase.co", Some("Supabase")),
            ("aws-0-eu-central-1.pooler.supabase.com", Some("Supabase")),
            ("DB.ABCDEFGH.SUPABASE.CO.", Some("Supabase")),
            ("ep-cool-name-123.eu-central-1.aws.neon.tech", Some("Neon")),
            ("app.c9x.eu-west-1.rds.amazonaws.com", Some("Amazon RDS")),
            ("app.postgres.database.azure.com", Some("Azure")),
            ("ec2-1-2-3-4.compute-1.amazonaws.com", Some("Heroku or Amazon EC2")),
            ("db-1-do-user-1.b.db.ondigitalocean.com", Some("DigitalOcean")),
            ("dpg-abc.frankfurt-postgres.render.com", Some("Render")),
            ("pg-1.a.aivencloud.com", Some("Aiven")),
            ("p.abc.db.postgresbridge.com", Some("Crunchy Bridge")),
            ("containers-us-west-1.railway.app", Some("Railway")),
            ("viaduct.proxy.rlwy.net", Some("Railway")),
            ("org-1-inst-1.data-1.use1.tembo.io", Some("Tembo")),
            ("abc.xyz.tsdb.cloud.timescale.com", Some("Timescale")),
            ("notsupabase.co", None),
            ("supabase.co.evil.example", None),
            ("localhost", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(provider_of_host(host), provider, "{host}");
        }
    }

    #[test]
    fn knows_platforms_by_role() {
        assert_eq!(provider_of_role("supabase_admin"), Some("Supabase"));
        assert_eq!(provider_of_role("postgres"), None);
    }

    #[test]
    fn a_role_that_a_clone_made_tells_nothing() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>();
        let roles = set(&["postgres", "anon", "supabase_admin", "supabase_auth_admin"]);
        assert_eq!(telltale_roles(&roles, &set(&[])), ["supabase_admin", "supabase_auth_admin"]);
        assert_eq!(telltale_roles(&roles, &set(&["anon", "supabase_admin"])), ["supabase_auth_admin"]);
    }
}

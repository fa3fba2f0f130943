-- What this server says of the extensions that it offers, of the version that CREATE EXTENSION would install: one row each.
-- $1 their names. Run on the maintenance database, read-only. Any role may read this.
SELECT e.name::text AS name,
       v.superuser AND NOT v.trusted AS for_superusers,
       v.schema::text AS schema,
       ARRAY(SELECT r.name::text FROM pg_catalog.unnest(v.requires) AS r (name) ORDER BY 1) AS requires,
       EXISTS (SELECT FROM pg_catalog.pg_extension AS here
                WHERE here.extname OPERATOR(pg_catalog.=) e.name) AS is_here,
       -- pg_cron lives in one database, whose name this setting holds where its library is loaded.
       CASE WHEN e.name OPERATOR(pg_catalog.=) 'pg_cron'
            THEN pg_catalog.current_setting('cron.database_name', true) END AS only_in,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_try
  FROM pg_catalog.pg_available_extensions AS e
  JOIN pg_catalog.pg_available_extension_versions AS v
    ON v.name OPERATOR(pg_catalog.=) e.name AND v.version OPERATOR(pg_catalog.=) e.default_version
 WHERE e.name OPERATOR(pg_catalog.=) ANY ($1)

-- What a destination's cluster shows of itself and of our role. Run on the maintenance database, read-only.
-- $1 how the comment of roles begins that a clone made. Any role may read this; data_directory is NULL for roles without pg_read_all_settings.
SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version,
       CURRENT_USER::text AS role,
       r.rolsuper AS superuser,
       r.rolsuper OR r.rolcreaterole AS may_create_roles,
       EXISTS (SELECT FROM pg_catalog.pg_settings AS s
                WHERE s.name = 'default_toast_compression' AND 'lz4' = ANY (s.enumvals)) AS lz4,
       r.rolcreatedb OR r.rolsuper AS may_create_databases,
       (SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() AS c) AS system_identifier,
       pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8
           * (pg_catalog.current_setting('max_connections')::pg_catalog.int8
              + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8) AS lock_slots,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       CASE WHEN r.rolsuper OR pg_catalog.pg_has_role(CURRENT_USER, 'pg_read_all_settings', 'USAGE')
            THEN pg_catalog.current_setting('data_directory') END AS data_directory,
       ARRAY(SELECT e.name::text FROM pg_catalog.pg_available_extensions AS e ORDER BY 1) AS extensions,
       ARRAY(SELECT o.rolname::text FROM pg_catalog.pg_roles AS o ORDER BY 1) AS roles,
       -- Made by a clone of ours: it carries our mark, and nobody can log in as it.
       ARRAY(SELECT o.rolname::text
               FROM pg_catalog.pg_roles AS o
              WHERE NOT o.rolcanlogin AND NOT o.rolsuper
                AND pg_catalog.starts_with(pg_catalog.shobj_description(o.oid, 'pg_authid'), $1)
              ORDER BY 1) AS made_roles,
       -- Becoming a role (a right of its own from 16 on) and having what it has are two things; both are needed.
       ARRAY(SELECT o.rolname::text
               FROM pg_catalog.pg_roles AS o
              WHERE pg_catalog.pg_has_role(o.oid, 'USAGE')
                AND pg_catalog.pg_has_role(o.oid, CASE
                    WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000 THEN 'SET'
                    ELSE 'MEMBER' END)
              ORDER BY 1) AS assumable,
       ARRAY(SELECT t.spcname::text FROM pg_catalog.pg_tablespace AS t ORDER BY t.spcname) AS tablespaces,
       ARRAY(SELECT pg_catalog.has_tablespace_privilege(t.oid, 'CREATE')
               FROM pg_catalog.pg_tablespace AS t ORDER BY t.spcname) AS may_use_tablespaces
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname = CURRENT_USER

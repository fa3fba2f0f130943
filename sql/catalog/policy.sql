-- Row-level security policies, those on tables of extensions too ("of_extension"); a role without a name is PUBLIC.
SELECT
    p.oid,
    p.polname::pg_catalog.text AS name,
    p.polrelid AS relation,
    n.nspname::pg_catalog.text AS schema,
    c.relname::pg_catalog.text AS table_name,
    EXISTS (
        SELECT 1 FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e') AS of_extension,
    p.polpermissive AS permissive,
    p.polcmd AS command,
    p.polroles = '{0}'::pg_catalog.oid[] AS everyone,
    CASE WHEN p.polroles = '{0}'::pg_catalog.oid[] THEN '{}'::pg_catalog.text[]
         ELSE ARRAY(
             SELECT r.rolname::pg_catalog.text FROM pg_catalog.pg_roles AS r
             WHERE r.oid = ANY (p.polroles) ORDER BY r.rolname) END AS roles,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using_expression,
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS check_expression
FROM pg_catalog.pg_policy AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY n.nspname, c.relname, p.polname;

-- Functions, procedures and window functions of the user, as the server prints them. Aggregates have their own query.
SELECT
    p.oid,
    n.nspname::pg_catalog.text AS schema,
    p.proname::pg_catalog.text AS name,
    pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments,
    p.prokind AS kind,
    l.lanname::pg_catalog.text AS language,
    -- What only a superuser may say of a function (manual, CREATE FUNCTION, CREATE LANGUAGE).
    CASE WHEN NOT l.lanpltrusted THEN 'language ' || l.lanname::pg_catalog.text
         WHEN p.proleakproof THEN 'LEAKPROOF'
         WHEN p.prosupport <> 0 THEN 'SUPPORT' END AS for_superusers,
    pg_catalog.pg_get_functiondef(p.oid) AS definition,
    -- The same function without its body, for one whose body is SQL that the server reads at once. Called so it fails. With its
    -- defaults, which calls may leave to it, unless those call functions or operators of the user's. Of another language, whose
    -- body is not held against the result's type; where there is none, in a session that does not check bodies.
    CASE WHEN p.prosqlbody IS NOT NULL THEN pg_catalog.concat(
        'CREATE ', CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END, pg_catalog.format('%I.%I', n.nspname, p.proname),
        '(', CASE WHEN p.proargdefaults::pg_catalog.text ~ ':(funcid|opfuncid|opno|aggfnoid) [0-9]{5}'
                  THEN pg_catalog.pg_get_function_identity_arguments(p.oid)
                  ELSE pg_catalog.pg_get_function_arguments(p.oid) END, ')', ' RETURNS ' || pg_catalog.pg_get_function_result(p.oid),
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_language AS pl WHERE pl.lanname = 'plpgsql')
             THEN ' LANGUAGE plpgsql AS ' || pg_catalog.quote_literal('BEGIN RAISE EXCEPTION ''declared and not defined yet''; END')
             ELSE ' LANGUAGE sql AS ' || pg_catalog.quote_literal('SELECT ''declared and not defined yet''::pg_catalog.int4')
             END) END AS declaration,
    -- Arguments without a name that its SQL body uses, where others have one: their numbers. Servers print them as empty names.
    CASE WHEN p.prosqlbody IS NOT NULL AND '' = ANY (p.proargnames) THEN ARRAY(
        SELECT DISTINCT used.match[1]::pg_catalog.int4
        FROM pg_catalog.regexp_matches(p.prosqlbody::pg_catalog.text, ':paramkind 0 :paramid ([0-9]+)', 'g') AS used (match)
        WHERE p.proargnames[used.match[1]::pg_catalog.int4] = '') ELSE '{}' END AS unnamed,
    COALESCE(p.proconfig, '{}') AS settings,
    ARRAY(
        SELECT pg_catalog.quote_ident(e.extname) FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'x'
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        ORDER BY e.extname) AS depends_on_extensions
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE n.nspname::pg_catalog.text !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND p.prokind <> 'a'
  -- Constructors of range and multirange types come with the type.
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND d.objid = p.oid AND d.deptype IN ('e', 'i')
        AND (d.deptype = 'e' OR d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass))
ORDER BY n.nspname, p.proname, p.oid;

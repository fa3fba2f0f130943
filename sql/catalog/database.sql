-- What the current database as a whole carries. Columns that only some versions have are taken from the row's JSON
-- form, so that one text serves every version.
SELECT
    d.oid,
    d.datname::pg_catalog.text AS name,
    pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text AS owner,
    pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text AS encoding,
    COALESCE(j.row ->> 'datlocprovider', 'c') AS locale_provider,
    d.datcollate::pg_catalog.text AS collate,
    d.datctype::pg_catalog.text AS ctype,
    COALESCE(j.row ->> 'datlocale', j.row ->> 'daticulocale') AS locale,
    j.row ->> 'daticurules' AS icu_rules,
    j.row ->> 'datcollversion' AS collation_version,
    t.spcname::pg_catalog.text AS tablespace,
    d.datconnlimit AS connection_limit,
    d.datistemplate AS is_template,
    pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
FROM pg_catalog.pg_database AS d
JOIN pg_catalog.pg_tablespace AS t ON t.oid = d.dattablespace
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(d) AS row) AS j
WHERE d.datname = pg_catalog.current_database();

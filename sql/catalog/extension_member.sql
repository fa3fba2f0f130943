-- What belongs to each extension, and what hangs on tables of theirs and is no member by itself: on a destination whatever
-- CREATE EXTENSION does not make there was put there by somebody (ALTER EXTENSION .. ADD, CREATE INDEX on a member), or comes
-- from another version of the extension. Policies are read with all others, and configuration rows with the tables.
WITH member AS (
    SELECT d.refobjid AS extension, d.classid, d.objid, 0 AS sub, NULL::pg_catalog.oid AS holder,
        -- From 18 on row types and array types are members too.
        t.oid IS NULL OR t.typcategory <> 'A' AND COALESCE(c.relkind = 'c', TRUE) AS by_itself
    FROM pg_catalog.pg_depend AS d
    LEFT JOIN pg_catalog.pg_type AS t ON d.classid = 1247 AND t.oid = d.objid
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
    WHERE d.deptype = 'e' AND d.refclassid = 3079 AND d.refobjid >= 16384
), part AS (
    SELECT m.extension, 1259::pg_catalog.oid AS classid, i.indexrelid AS objid, 0 AS sub, i.indrelid AS holder, TRUE
    FROM member AS m
    JOIN pg_catalog.pg_index AS i ON m.classid = 1259 AND i.indrelid = m.objid
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c WHERE c.conindid = i.indexrelid AND c.conrelid = i.indrelid)
    UNION ALL
    SELECT m.extension, 2606, c.oid, 0, c.conrelid, TRUE
    FROM member AS m
    JOIN pg_catalog.pg_constraint AS c ON m.classid = 1259 AND c.conrelid = m.objid
    -- From 18 on NOT NULL is a constraint.
    WHERE c.contype <> 'n'
    UNION ALL
    SELECT m.extension, 2620, t.oid, 0, t.tgrelid, TRUE
    FROM member AS m
    JOIN pg_catalog.pg_trigger AS t ON m.classid = 1259 AND t.tgrelid = m.objid
    WHERE NOT t.tgisinternal
    UNION ALL
    SELECT m.extension, 2618, r.oid, 0, r.ev_class, TRUE
    FROM member AS m
    JOIN pg_catalog.pg_rewrite AS r ON m.classid = 1259 AND r.ev_class = m.objid
    WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT m.extension, 1259, a.attrelid, a.attnum, a.attrelid, TRUE
    FROM member AS m
    JOIN pg_catalog.pg_class AS c ON m.classid = 1259 AND c.oid = m.objid AND c.relkind = 'r'
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = m.objid
    WHERE a.attnum > 0 AND NOT a.attisdropped
), one AS (
    SELECT * FROM member UNION ALL SELECT * FROM part
)
SELECT
    o.extension,
    e.extname::pg_catalog.text AS extension_name,
    e.extversion AS extension_version,
    o.classid AS class,
    o.objid AS object,
    o.sub,
    o.holder,
    o.by_itself,
    pg_catalog.concat_ws(' ', i.type, i.identity) AS name,
    i.type IN ('table', 'view', 'materialized view', 'foreign table', 'sequence') AS is_relation
FROM one AS o
JOIN pg_catalog.pg_extension AS e ON e.oid = o.extension
CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.classid, o.objid, o.sub) AS i
WHERE i.identity IS NOT NULL
ORDER BY e.extname, o.classid, o.objid, o.sub;

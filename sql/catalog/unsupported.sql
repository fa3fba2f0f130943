-- Every object of the user of a kind that is not reproduced yet, with the reason that the report gives.
WITH member AS (
    SELECT d.classid, d.objid
      FROM pg_catalog.pg_depend AS d
     WHERE d.deptype OPERATOR(pg_catalog.=) 'e'
), other (class, oid, kind, schema, name) AS (
    SELECT 3602, t.oid, 'text search configuration', n.nspname::pg_catalog.text, t.cfgname::pg_catalog.text
      FROM pg_catalog.pg_ts_config AS t
      JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.cfgnamespace
    UNION ALL
    SELECT 3600, t.oid, 'text search dictionary', n.nspname, t.dictname
      FROM pg_catalog.pg_ts_dict AS t
      JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.dictnamespace
    UNION ALL
    SELECT 3601, t.oid, 'text search parser', n.nspname, t.prsname
      FROM pg_catalog.pg_ts_parser AS t
      JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.prsnamespace
    UNION ALL
    SELECT 3764, t.oid, 'text search template', n.nspname, t.tmplname
      FROM pg_catalog.pg_ts_template AS t
      JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.tmplnamespace
    UNION ALL
    SELECT 2617, o.oid, 'operator', NULL, o.oid::pg_catalog.regoperator::pg_catalog.text
      FROM pg_catalog.pg_operator AS o
     WHERE o.oid OPERATOR(pg_catalog.>=) 16384
    UNION ALL
    SELECT 2616, o.oid, pg_catalog.concat('operator class for ', a.amname), n.nspname, o.opcname
      FROM pg_catalog.pg_opclass AS o
      JOIN pg_catalog.pg_am AS a ON a.oid OPERATOR(pg_catalog.=) o.opcmethod
      JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) o.opcnamespace
    UNION ALL
    SELECT 2753, o.oid, pg_catalog.concat('operator family for ', a.amname), n.nspname, o.opfname
      FROM pg_catalog.pg_opfamily AS o
      JOIN pg_catalog.pg_am AS a ON a.oid OPERATOR(pg_catalog.=) o.opfmethod
      JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) o.opfnamespace
    UNION ALL
    SELECT 2605, c.oid, 'cast', NULL, pg_catalog.concat(
               pg_catalog.format_type(c.castsource, NULL), ' to ', pg_catalog.format_type(c.casttarget, NULL))
      FROM pg_catalog.pg_cast AS c
     -- That of a range type to its multirange type comes with the type.
     WHERE NOT EXISTS (
           SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid OPERATOR(pg_catalog.=) 2605 AND d.objid OPERATOR(pg_catalog.=) c.oid
              AND d.deptype OPERATOR(pg_catalog.=) 'i')
    UNION ALL
    SELECT 3576, t.oid, 'transform', NULL, pg_catalog.concat(
               'for ', pg_catalog.format_type(t.trftype, NULL), ' in ', l.lanname)
      FROM pg_catalog.pg_transform AS t
      JOIN pg_catalog.pg_language AS l ON l.oid OPERATOR(pg_catalog.=) t.trflang
    UNION ALL
    SELECT 2612, l.oid, 'language', NULL, l.lanname
      FROM pg_catalog.pg_language AS l
    UNION ALL
    SELECT 2601, a.oid, 'access method', NULL, a.amname
      FROM pg_catalog.pg_am AS a
    UNION ALL
    SELECT 2607, c.oid, 'conversion', n.nspname, c.conname
      FROM pg_catalog.pg_conversion AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.connamespace
    UNION ALL
    SELECT 1247, t.oid, 'base type', n.nspname, t.typname
      FROM pg_catalog.pg_type AS t
      JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
     WHERE t.typtype IN ('b', 'p')
       AND t.typisdefined
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_type AS element
            WHERE element.typarray OPERATOR(pg_catalog.=) t.oid)
    UNION ALL
    -- Added to a family that is not the user's by ALTER OPERATOR FAMILY; those of a class go with the class.
    SELECT f.class, f.oid, 'member of operator family', n.nspname, pg_catalog.concat(
               o.opfname, ' for ', a.amname, ': ', f.name)
      FROM (SELECT 2602 AS class, m.oid, 2617 AS of_class, m.amopopr AS of, m.amopfamily AS family, m.amopopr::pg_catalog.regoperator::pg_catalog.text AS name
              FROM pg_catalog.pg_amop AS m
             UNION ALL
            SELECT 2603, m.oid, 1255, m.amproc, m.amprocfamily, m.amproc::pg_catalog.regprocedure::pg_catalog.text
              FROM pg_catalog.pg_amproc AS m) AS f
      JOIN pg_catalog.pg_opfamily AS o ON o.oid OPERATOR(pg_catalog.=) f.family
      JOIN pg_catalog.pg_am AS a ON a.oid OPERATOR(pg_catalog.=) o.opfmethod
      JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) o.opfnamespace
     WHERE f.oid OPERATOR(pg_catalog.>=) 16384
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid OPERATOR(pg_catalog.=) f.class::pg_catalog.oid AND d.objid OPERATOR(pg_catalog.=) f.oid
              AND d.refclassid OPERATOR(pg_catalog.=) 2616)
       AND NOT EXISTS (
           SELECT FROM member AS x
            WHERE x.classid OPERATOR(pg_catalog.=) f.of_class::pg_catalog.oid AND x.objid OPERATOR(pg_catalog.=) f.of)
       -- A family of the user's is named as a whole, one of an extension's comes as a whole.
       AND o.oid OPERATOR(pg_catalog.<) 16384
)
SELECT o.class::pg_catalog.oid AS class,
       o.oid,
       pg_catalog.concat(
           o.kind, ' ', o.schema OPERATOR(pg_catalog.||) '.', o.name) AS object,
       'this kind of object is not reproduced yet' AS reason
  FROM other AS o
  LEFT JOIN member AS m ON m.classid OPERATOR(pg_catalog.=) o.class::pg_catalog.oid
                       AND m.objid OPERATOR(pg_catalog.=) o.oid
 WHERE m.objid IS NULL
   AND o.oid OPERATOR(pg_catalog.>=) 16384
   AND COALESCE(o.schema, '') NOT IN ('pg_toast', 'information_schema')
UNION ALL
SELECT 3596::pg_catalog.oid, l.objoid, pg_catalog.concat('security label on ', l.objtype, ' ', l.objname), 'security labels are not reproduced yet'
  FROM pg_catalog.pg_seclabels AS l
 WHERE l.objtype NOT IN ('database', 'role', 'tablespace')
UNION ALL
SELECT 3592::pg_catalog.oid, l.objoid, 'security label on the database', 'security labels are not reproduced yet'
  FROM pg_catalog.pg_shseclabel AS l
  JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) l.objoid
 WHERE l.classoid OPERATOR(pg_catalog.=) 1262
   AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
 ORDER BY 3

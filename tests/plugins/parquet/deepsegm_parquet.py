"""A plug-in for DeepSegm that writes the table of a result as Apache Parquet, by pyarrow."""

from segmentation.core.report.exports.base import Export


def write(context, path):
    """Write one row for each object or class, with the columns and units of the CSV file."""
    import pyarrow
    from pyarrow import parquet

    from segmentation.core.report.wording import version

    table = context.analysis.table
    rows = pyarrow.table({name: pyarrow.array(table[name]) for name in table.columns})
    parquet.write_table(rows.replace_schema_metadata({"software": version()}), path)


PARQUET = Export(
    name="{table}.parquet",
    title="Table (Parquet)",
    place=150,
    write=write,
    image="Apache Parquet: the table of {things}, for pandas, R, DuckDB and Spark",
    content_type="application/vnd.apache.parquet",
)

"""The columns and numbers of arrangement and of classes of shape. The web process reads them, too: no scipy here."""

from __future__ import annotations

from .quantities import COLUMNS, COUNTING, GROUPS, NUMBERS, WITHIN, Quantity, add
from .results import SHAPES

AROUND = 6  # neighbours that the local density looks at

add(
    COLUMNS,
    Quantity(
        "neighbour_distance",
        "Nearest neighbour, centres",
        "Distance from its centre of area to the nearest centre of another object.",
        1,
    ),
    Quantity(
        "neighbour_gap",
        "Nearest neighbour, edges",
        "Smallest distance from its edge to the edge of another object; 0 where the two touch.",
        1,
    ),
    Quantity(
        "local_density",
        "Local density",
        f"Objects per area around it: {AROUND - 1} over the area, inside the frame, of the circle that reaches its"
        f" {AROUND}th neighbour.",
        -2,
        source="Moore and Yackel (1977)",
    ),
)
add(
    COLUMNS,
    Quantity(
        "shape",
        "Shape",
        "Class of its outline: " + ", ".join(SHAPES) + "; empty where it is too small or the frame cuts it.",
        kind="text",
    ),
    Quantity("shape_chance", "Chance of the shape", "Chance that the class is right, on computer-made outlines."),
    Quantity(
        "length",
        "Length",
        "Greatest extent of its convex outline at right angles to its width: the length of a straight rod.",
        1,
        source="ISO 13322-1:2014",
    ),
    Quantity("width", "Width", "Smallest extent of its convex outline: the width of a straight rod.", 1),
    Quantity("slenderness", "Length / width", "Length / width of its convex outline."),
)
add(
    NUMBERS,
    Quantity(
        "neighbour_distance",
        "Nearest neighbour, centre to centre",
        "Mean distance from an object's centre to the nearest other centre, corrected for the frame.",
        1,
        source="Hanisch (1984)",
        interval=WITHIN,
    ),
    Quantity(
        "neighbour_gap",
        "Nearest neighbour, edge to edge",
        "Mean smallest distance from the edge of an object to another object (0 where they touch), corrected for the"
        " frame.",
        1,
        source="Hanisch (1984)",
        interval=WITHIN,
    ),
    Quantity(
        "alignment",
        "Alignment",
        "Order parameter |mean exp(2 i angle)| of the long axes of elongated objects: 0 % without a common direction,"
        " 100 % where all are parallel.",
        kind="fraction",
        source="Rayleigh; Mardia and Jupp (2000)",
        interval=WITHIN,
    ),
    Quantity(
        "share_in_groups",
        "Share in agglomerates",
        "Share by number of the counted particles that touch another outline.",
        kind="fraction",
        interval=COUNTING,
    ),
    Quantity(
        "mean_primaries", "Particles per agglomerate", "Mean number of counted particles in a group that touches."
    ),
    Quantity(
        "agglomerate_diameter",
        "Agglomerate diameter",
        "Median equivalent circular diameter of the groups that do not touch the frame.",
        1,
    ),
    Quantity(
        "fractal_dimension",
        "Fractal dimension",
        "Slope of ln(outlines in a group) over ln(radius of gyration / radius of its particles); it needs 30 groups."
        " Hidden particles make it too low.",
        source="Köylü et al. (1995)",
        interval=GROUPS,
    ),
)

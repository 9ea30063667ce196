// The page of a sample: the histogram of the particles of all its images, and the form for another scale.

import { Histogram } from "./chart.js";
import { chooseByTyping } from "./sample-fields.js";

const section = document.getElementById("histogram");
if (section) new Histogram(section, () => {});

const scale = document.getElementById("scale");
if (scale) chooseByTyping(scale);

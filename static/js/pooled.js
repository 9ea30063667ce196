// The histogram of a sample: the one of the result page, of the particles of all its images.

import { Histogram } from "./chart.js";

const section = document.getElementById("histogram");
if (section) new Histogram(section, () => {});

import type micromatch = require('micromatch')

/** Loads `micromatch`, once. */
export declare function loadMicromatch(): typeof micromatch

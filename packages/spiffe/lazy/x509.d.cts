import type x509 = require('@peculiar/x509')

/** Loads `@peculiar/x509`, once. */
export declare function loadX509(): typeof x509

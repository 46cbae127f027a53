/**
 * Loads `micromatch` when the first pattern with a wildcard is compiled. In CommonJS: on every supported version of
 * Node, only `require` can load a package without waiting, and bundlers follow it.
 */
exports.loadMicromatch = () => require('micromatch')

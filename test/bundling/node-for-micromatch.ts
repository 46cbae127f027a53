// The members of Node's `path` and `util` that micromatch and its dependencies import, for a page.
export const sep = '/'
export const inspect = String

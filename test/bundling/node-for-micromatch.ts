// What micromatch and its libraries import of Node's `path` and `util`, for a page.
export const sep = '/'
export const inspect = String

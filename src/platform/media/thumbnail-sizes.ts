/** The squares that thumbnails fit into, by the edge in pixels, largest first: the smaller ones are made of the larger. */
export const THUMBNAIL_EDGES = { large: 1024, medium: 512, small: 256 } as const;

export type ThumbnailSize = keyof typeof THUMBNAIL_EDGES;

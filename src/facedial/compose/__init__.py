"""Between a change of a crop and the photo: masks, inpainting, blending at the photo's own size."""

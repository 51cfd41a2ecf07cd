"""Rows of the two-way table of names for SAM 2: original names beside transformers'.

Data only; `naming.py` reads it. transformers has no HQ-SAM 2, so there are no rows for its tensors.

Source: state dicts of facebookresearch/sam2 beside those of transformers 5.23.
"""

from __future__ import annotations

#: The frequencies of all positions, by original name.
MATRIX = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
#: Prefix of the four point embeddings, which transformers stacks into one.
POINTS = "sam_prompt_encoder.point_embeddings."
POINTS_STACKED = "prompt_encoder.point_embed.weight"

#: (original, transformers); `#` stands for a number, `*` for any ending. The first row that matches is used.
TABLE: tuple[tuple[str, str], ...] = (
    ("maskmem_tpos_enc", "memory_temporal_positional_encoding"),
    ("no_mem_embed", "no_memory_embedding"),
    ("no_mem_pos_enc", "no_memory_positional_encoding"),
    ("no_obj_ptr", "no_object_pointer"),
    ("no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
    ("obj_ptr_tpos_proj.*", "temporal_positional_encoding_projection_layer.*"),
    ("mask_downsample.*", "mask_downsample.*"),
    ("image_encoder.trunk.patch_embed.proj.*", "vision_encoder.backbone.patch_embed.projection.*"),
    ("image_encoder.trunk.blocks.#.norm#.*", "vision_encoder.backbone.blocks.#.layer_norm#.*"),
    ("image_encoder.trunk.blocks.#.mlp.layers.0.*", "vision_encoder.backbone.blocks.#.mlp.proj_in.*"),
    ("image_encoder.trunk.blocks.#.mlp.layers.1.*", "vision_encoder.backbone.blocks.#.mlp.proj_out.*"),
    ("image_encoder.trunk.*", "vision_encoder.backbone.*"),
    ("image_encoder.neck.convs.#.conv.*", "vision_encoder.neck.convs.#.*"),
    ("memory_attention.layers.#.*.out_proj.*", "memory_attention.layers.#.*.o_proj.*"),
    ("memory_attention.layers.#.norm#.*", "memory_attention.layers.#.layer_norm#.*"),
    ("memory_attention.layers.#.*", "memory_attention.layers.#.*"),
    ("memory_attention.norm.*", "memory_attention.layer_norm.*"),
    *(
        (
            f"memory_encoder.mask_downsampler.encoder.{3 * i + j}.*",
            f"memory_encoder.mask_downsampler.layers.{i}.{name}.*",
        )
        for i in range(4)
        for j, name in enumerate(("conv", "layer_norm"))
    ),
    ("memory_encoder.mask_downsampler.encoder.12.*", "memory_encoder.mask_downsampler.final_conv.*"),
    ("memory_encoder.pix_feat_proj.*", "memory_encoder.feature_projection.*"),
    ("memory_encoder.fuser.layers.#.gamma", "memory_encoder.memory_fuser.layers.#.scale"),
    ("memory_encoder.fuser.layers.#.dwconv.*", "memory_encoder.memory_fuser.layers.#.depthwise_conv.*"),
    ("memory_encoder.fuser.layers.#.norm.*", "memory_encoder.memory_fuser.layers.#.layer_norm.*"),
    ("memory_encoder.fuser.layers.#.pwconv#.*", "memory_encoder.memory_fuser.layers.#.pointwise_conv#.*"),
    ("memory_encoder.out_proj.*", "memory_encoder.projection.*"),
    (MATRIX, "shared_image_embedding.positional_embedding"),
    ("sam_prompt_encoder.mask_downscaling.0.*", "prompt_encoder.mask_embed.conv1.*"),
    ("sam_prompt_encoder.mask_downscaling.1.*", "prompt_encoder.mask_embed.layer_norm1.*"),
    ("sam_prompt_encoder.mask_downscaling.3.*", "prompt_encoder.mask_embed.conv2.*"),
    ("sam_prompt_encoder.mask_downscaling.4.*", "prompt_encoder.mask_embed.layer_norm2.*"),
    ("sam_prompt_encoder.mask_downscaling.6.*", "prompt_encoder.mask_embed.conv3.*"),
    ("sam_prompt_encoder.not_a_point_embed.*", "prompt_encoder.not_a_point_embed.*"),
    ("sam_prompt_encoder.no_mask_embed.*", "prompt_encoder.no_mask_embed.*"),
    ("sam_mask_decoder.transformer.norm_final_attn.*", "mask_decoder.transformer.layer_norm_final_attn.*"),
    ("sam_mask_decoder.transformer.layers.#.norm#.*", "mask_decoder.transformer.layers.#.layer_norm#.*"),
    ("sam_mask_decoder.transformer.layers.#.mlp.layers.0.*", "mask_decoder.transformer.layers.#.mlp.proj_in.*"),
    ("sam_mask_decoder.transformer.layers.#.mlp.layers.1.*", "mask_decoder.transformer.layers.#.mlp.proj_out.*"),
    ("sam_mask_decoder.transformer.*.out_proj.*", "mask_decoder.transformer.*.o_proj.*"),
    ("sam_mask_decoder.transformer.*", "mask_decoder.transformer.*"),
    ("sam_mask_decoder.iou_token.*", "mask_decoder.iou_token.*"),
    ("sam_mask_decoder.mask_tokens.*", "mask_decoder.mask_tokens.*"),
    ("sam_mask_decoder.obj_score_token.*", "mask_decoder.obj_score_token.*"),
    ("sam_mask_decoder.output_upscaling.0.*", "mask_decoder.upscale_conv1.*"),
    ("sam_mask_decoder.output_upscaling.1.*", "mask_decoder.upscale_layer_norm.*"),
    ("sam_mask_decoder.output_upscaling.3.*", "mask_decoder.upscale_conv2.*"),
    ("sam_mask_decoder.conv_s#.*", "mask_decoder.conv_s#.*"),
)
#: Three-layer heads, of which transformers names the first and the last layer.
HEADS = (
    ("sam_mask_decoder.output_hypernetworks_mlps.#", "mask_decoder.output_hypernetworks_mlps.#"),
    ("sam_mask_decoder.iou_prediction_head", "mask_decoder.iou_prediction_head"),
    ("sam_mask_decoder.pred_obj_score_head", "mask_decoder.pred_obj_score_head"),
    ("obj_ptr_proj", "object_pointer_proj"),
)

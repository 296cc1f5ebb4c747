"""What helps: a sentence for every code, fitting the address where one serves another thing."""

CURES = {
    "already_over": "Ask GET /upscale_video/status for how it ended.",
    "animated": "Ask for gif, webp or png, which can move, or leave the format out.",
    "animation_too_large": "Ask for a smaller size, or send a GIF to POST /upscale_video/submit, "
    "which makes a video of it.",
    "archive_too_large": "Send fewer or smaller pictures, or raise SUPERRES_MAX_FILES.",
    "bad_archive": "Send a zip without passwords, as `zip -r pictures.zip folder` makes it.",
    "bad_size": "Send scale=3, or size=1920x1080, 1920x, x1080.",
    "busy": "Try again after the seconds in Retry-After.",
    "corrupt_image": "Check that the upload is complete; open and save the picture again.",
    "corrupt_video": "Check that the upload is complete; convert the video again.",
    "empty": "Send the content of a picture or video, not an empty file.",
    "failed": "Look into the log of the service; GET /models lists other models.",
    "quota": "Try again after the seconds in Retry-After, or raise SUPERRES_JOBS_BYTES.",
    "loading": "Try again after the seconds in Retry-After; GET /readyz answers 200 when ready.",
    "malformed_json": 'Send JSON: {"instances": (batch, height, width, 3) in [0, 1]}.',
    "missing_field": "Send multipart/form-data with the file in a field.",
    "missing_instances": 'Send JSON: {"instances": (batch, height, width, 3) in [0, 1]}.',
    "model_unavailable": "Run `superres promote`, or start the service with SUPERRES_MODEL set.",
    "missing_task_id": "Add ?task_id= with what POST /upscale_video/submit gave.",
    "not_finished": "Ask GET /upscale_video/status until the status is 'completed'.",
    "out_of_range": "Divide 8-bit levels by 255.",
    "timeout": "Send a smaller picture, or raise SUPERRES_TIMEOUT_SECONDS.",
    "too_many_bytes": "Send a smaller file, or raise SUPERRES_MAX_BYTES, _MAX_VIDEO_BYTES.",
    "too_many_frames": "Send a shorter video, or raise SUPERRES_MAX_FRAMES.",
    "too_many_output_pixels": "Send a smaller picture, or raise SUPERRES_MAX_OUTPUT_PIXELS.",
    "too_many_pixels": "Send a smaller picture, or raise SUPERRES_MAX_PIXELS.",
    "too_many_seconds": "Send a shorter video, or raise SUPERRES_MAX_SECONDS.",
    "too_wide": "Ask for png or tiff, which hold pictures of any side.",
    "unauthorized": "Send the header `Authorization: Bearer KEY`, or `X-API-Key: KEY`.",
    "unknown_model": "GET /models lists the models of this service.",
    "unknown_version": "GET /models/NAME/versions lists what there is.",
    "unknown_word": "Use the words that the message names; the description at / explains them.",
    "unsupported_format": "Ask for png, jpg, webp, tiff or bmp, or leave the format out.",
    "unsupported_media_type": "Send what the description at / says.",
    "unknown_task": "POST /upscale_video/submit gives the task_id; results expire.",
}
_IMAGE = "Send multipart/form-data, for example: curl -F image=@photo.png URL."
_ARCHIVE = "Send multipart/form-data, for example: curl -F archive=@photos.zip URL."
_VIDEO = "Send multipart/form-data, for example: curl -F video=@clip.mp4 URL."
_SMALLER = "Send a video of smaller frames, or raise SUPERRES_MAX_"
AT = {
    "/upscale": {
        "missing_field": _IMAGE,
        "too_many_bytes": "Send a smaller picture, or raise SUPERRES_MAX_BYTES.",
        "too_many_frames": "Send fewer frames, or raise SUPERRES_MAX_FRAMES.",
        "unsupported_media_type": _IMAGE,
        "unsupported_type": "Send a PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF picture; a video goes "
        "to POST /upscale_video/submit.",
    },
    "/upscale_batch": {
        "missing_field": _ARCHIVE,
        "too_many_bytes": "Send fewer pictures at a time, or raise SUPERRES_MAX_VIDEO_BYTES.",
        "unsupported_media_type": _ARCHIVE,
    },
    "/upscale_video/submit": {
        "empty": "Send the content of a video, not an empty file.",
        "missing_field": _VIDEO,
        "too_many_bytes": "Send a shorter video, or raise SUPERRES_MAX_VIDEO_BYTES.",
        "too_many_output_pixels": f"{_SMALLER}OUTPUT_PIXELS.",
        "too_many_pixels": f"{_SMALLER}PIXELS.",
        "unsupported_media_type": _VIDEO,
        "unsupported_type": "Send a video such as MP4, MOV, MKV or WebM; a picture goes to POST "
        "/upscale.",
    },
    "/predict": {
        "timeout": "Send fewer or smaller arrays at a time, or raise SUPERRES_TIMEOUT_SECONDS.",
        "too_many_bytes": "Send fewer or smaller arrays, or pictures to POST /upscale.",
        "too_many_output_pixels": "Send fewer or smaller arrays, or raise "
        "SUPERRES_MAX_OUTPUT_PIXELS.",
        "unsupported_media_type": "Send JSON with the header `Content-Type: application/json`.",
    },
}
STATUS_CURES = {
    400: "Compare the request with the description at /.",
    404: "GET / describes every address of this service.",
    405: "GET / describes the method of every address.",
    408: "Send the upload faster.",
    413: "Send less at a time.",
    415: "Compare the content with the description at /.",
    422: "Change the content as the message says.",
    503: "Try again after the seconds in Retry-After.",
}


def cure_of(code: str, status: int, address: str = "") -> str:
    """Return what helps against an error that a request to this address had."""
    own = AT.get(address, {}).get(code) or CURES.get(code)
    return own or STATUS_CURES.get(status, CURES["failed"])
